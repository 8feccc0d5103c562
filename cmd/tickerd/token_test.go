package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestToken(t *testing.T) {
	s := newSite(t)
	for name, tt := range map[string]struct {
		key, stdin string
		want       result
	}{
		"key as an argument":    {"tk_good", "", result{0, "token-N\n", ""}},
		"key on standard input": {"-", "tk_good\n", result{0, "token-N\n", ""}},
		"without a line's end":  {"-", "tk_good", result{0, "token-N\n", ""}},
		"no key":                {"-", "\n", result{1, "", "tickerd: no API key on standard input\n"}},
		"nothing at all":        {"-", "", result{1, "", "tickerd: no API key on standard input\n"}},
		"wrong key":             {"tk_bad", "", result{1, "", "tickerd: invalid API key\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			s.tokens.Store(0)
			tt.want.stdout = strings.ReplaceAll(tt.want.stdout, "N", "1")
			if got := call(t.Context(), nil, tt.stdin, "token", "--key", tt.key, "--url", s.URL); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestTokenBelowAPath(t *testing.T) {
	s := startSite(t)
	mux := http.NewServeMux()
	mux.Handle("/prices/", http.StripPrefix("/prices", s.mux(t)))
	below := httptest.NewServer(mux)
	defer below.Close()
	if got, want := call(t.Context(), nil, "", "token", "--key", "tk_good", "--url", below.URL+"/prices/"), (result{0, "token-1\n", ""}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTokenRefusals(t *testing.T) {
	s := newSite(t)
	for name, tt := range map[string]struct {
		refuse http.HandlerFunc
		want   string
	}{
		"in the server's words": {
			func(w http.ResponseWriter, _ *http.Request) {
				answer(w, http.StatusTooManyRequests, "too many attempts")
			},
			"too many attempts",
		},
		"with a terminal's commands in them": {
			func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusForbidden, "\x1b[2Jno") },
			"\uFFFD[2Jno",
		},
		"by another server": {
			http.NotFound,
			"the server answers 404 Not Found",
		},
		"by a page": {
			func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
			s.URL + "/auth/token is not tickerd's: its answer holds no token",
		},
		"by a redirection": {
			func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
			},
			"the server answers 308 Permanent Redirect",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.refuse.Store(new(func(w http.ResponseWriter, r *http.Request) bool {
				tt.refuse(w, r)
				return true
			}))
			got := call(t.Context(), nil, "", "token", "--key", "tk_good", "--url", s.URL)
			if want := (result{1, "", "tickerd: " + tt.want + "\n"}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestTokenOfNoServer(t *testing.T) {
	s := newSite(t)
	s.Close()
	got := call(t.Context(), nil, "", "token", "--key", "tk_good", "--url", s.URL)
	if got.status != 1 || !strings.HasSuffix(got.stderr, "connection refused\n") || strings.Contains(got.stderr, "Post") {
		t.Errorf("got %+v", got)
	}
}

func TestTokenInterrupted(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.refuse.Store(new(func(_ http.ResponseWriter, r *http.Request) bool {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		cancel()
		<-r.Context().Done()
		return true
	}))
	got := call(ctx, nil, "", "token", "--key", "tk_good", "--url", s.URL)
	if want := (result{1, "", "tickerd: interrupted\n"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
