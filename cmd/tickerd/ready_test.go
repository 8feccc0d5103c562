package main

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestReady(t *testing.T) {
	var status atomic.Int32
	var body atomic.Value
	var asked atomic.Int32
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.NotFound(w, r)
			return
		}
		asked.Add(1)
		if status.Load() == http.StatusTeapot && asked.Load() > 2 {
			return // ready at last
		}
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, body.Load().(string)) // who is gone does not need it
	})
	plain := httptest.NewServer(handler)
	defer plain.Close()
	secure := httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	cert := filepath.Join(t.TempDir(), "cert.pem")
	pair := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(cert, pair, 0o600); err != nil {
		t.Fatal(err)
	}
	here := "TICKERD_SERVER_LISTEN=" + strings.TrimPrefix(plain.URL, "http://")
	there := "TICKERD_SERVER_LISTEN=:" + secure.URL[strings.LastIndexByte(secure.URL, ':')+1:]

	for name, tt := range map[string]struct {
		status  int
		body    string
		environ []string
		args    []string
		want    result
	}{
		"ready":    {200, `{"status":"ok"}`, []string{here}, nil, result{0, "", ""}},
		"by URL":   {200, `{"status":"ok"}`, nil, []string{"--url", plain.URL}, result{0, "", ""}},
		"by TLS":   {200, `{"status":"ok"}`, []string{there, "TICKERD_SERVER_TLS_CERT=" + cert, "TICKERD_SERVER_TLS_KEY=" + cert}, nil, result{0, "", ""}},
		"draining": {503, `{"error":"draining"}`, []string{here}, nil, result{1, "", "tickerd: draining\n"}},
		"parts that are not": {
			503, `{"status":"unavailable","error":"not ready: feed, cluster","failing":{"feed":"no price","cluster":"cluster unreachable"}}`,
			[]string{here}, nil, result{1, "", "tickerd: not ready: feed, cluster\ntickerd: cluster: cluster unreachable\ntickerd: feed: no price\n"},
		},
		"no tickerd": {404, "<html>", []string{here}, nil, result{1, "", "tickerd: the server answers 404 Not Found\n"}},
		"later":      {http.StatusTeapot, "", []string{here}, []string{"--wait", "1m"}, result{0, "", ""}},
		"any port": {
			200, "", []string{"TICKERD_SERVER_LISTEN=:0"}, nil,
			result{1, "", "tickerd: server.listen is \":0\", which names no port: give --url\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			status.Store(int32(tt.status))
			body.Store(tt.body)
			asked.Store(0)
			if got := call(t.Context(), tt.environ, "", append([]string{"ready"}, tt.args...)...); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}

	plain.Close()
	if got := call(t.Context(), []string{here}, "", "ready"); got.status != 1 || !strings.HasSuffix(got.stderr, "connection refused\n") {
		t.Errorf("without a server: got %+v", got)
	}
}
