package exchange

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tickerd/ticker"
)

// answers is a server of the given answers, one after the other.
func answers(t *testing.T, list ...http.HandlerFunc) (r *REST, requests *[]string) {
	requests = new([]string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := len(*requests)
		*requests = append(*requests, r.URL.String())
		if got := r.Header.Get("User-Agent"); got != "tickerd" {
			t.Errorf("User-Agent: %s", got)
		}
		if n >= len(list) {
			t.Errorf("a request too many: %s", r.URL)
			return
		}
		list[n](w, r)
	}))
	t.Cleanup(s.Close)
	return NewREST(s.URL+"/", time.Millisecond), requests
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(text)) // the client shows it
	}
}

func status(code int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		http.Error(w, "the reason", code)
	}
}

func TestGet(t *testing.T) {
	r, requests := answers(t, body("one"), body(""))
	got, err := r.Get(t.Context(), "/products/BTC-USD/candles", url.Values{"start": {"2026-10-03T20:58:31Z"}})
	if string(got) != "one" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := r.Get(t.Context(), "/", nil); len(got) > 0 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if want := "/products/BTC-USD/candles?start=2026-10-03T20%3A58%3A31Z"; (*requests)[0] != want {
		t.Errorf("asked for %s, want %s", (*requests)[0], want)
	}
}

func TestGetErrors(t *testing.T) {
	r, _ := answers(t, status(404, ""), status(400, ""), status(500, ""), body(strings.Repeat("x", maxBody+1)), body(strings.Repeat("x", maxBody)),
		func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "7") })
	for _, want := range []int{404, 400, 500} {
		_, err := r.Get(t.Context(), "/x", nil)
		if refusal, ok := errors.AsType[*StatusError](err); !ok || *refusal != (StatusError{Status: want}) || !strings.Contains(err.Error(), "the reason") {
			t.Errorf("got %v, want %d", err, want)
		}
	}
	if _, err := r.Get(t.Context(), "/x", nil); !errors.Is(err, ErrTooBig) {
		t.Errorf("a big body: %v", err)
	}
	if _, err := r.Get(t.Context(), "/x", nil); err != nil {
		t.Errorf("one that is just small enough: %v", err)
	}
	if _, err := r.Get(t.Context(), "/x", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an answer that breaks off: %v", err)
	}
	r.base = "http://127.0.0.1:" + closedPort(t)
	if _, err := r.Get(t.Context(), "/x", nil); err == nil || strings.Count(err.Error(), "http://") != 1 {
		t.Errorf("nobody there: %v", err)
	}
}

// Who is told to come later does not ask before.
func TestGetIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		code  int
		after string
		want  time.Duration
	}{
		"too many":            {429, "7", 7 * time.Second},
		"too many, no time":   {429, "", defaultBan},
		"banned":              {418, "3600", time.Hour},
		"unavailable, a time": {503, "30", 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r, requests := answers(t, status(tt.code, tt.after), body("again"))
			for range 3 {
				_, err := r.Get(t.Context(), "/x", nil)
				refusal, ok := errors.AsType[*StatusError](err)
				if !ok || refusal.Status != tt.code || refusal.RetryAfter > tt.want || refusal.RetryAfter < tt.want-5*time.Second {
					t.Errorf("%v, want %d for %v", err, tt.code, tt.want)
				}
			}
			if len(*requests) != 1 {
				t.Errorf("%d requests", len(*requests))
			}
			if err := r.ban.refusal(time.Now().Add(tt.want)); err != nil {
				t.Errorf("and then: %v", err)
			}
		})
	}
	r, _ := answers(t, status(503, ""), body("again"))
	if _, err := r.Get(t.Context(), "/x", nil); err == nil {
		t.Error("503 is no error")
	}
	if got, err := r.Get(t.Context(), "/x", nil); string(got) != "again" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRows(t *testing.T) {
	rows := Rows{Unit: time.Second, Low: 1, High: 2, Open: 3, Close: 4}
	from := time.Unix(1_700_000_100, 0)
	text := `[[1700000160,"1.10",4,"2.0",3.5,9],[1700000100,1e-7,4,2,3,null],[1700000040,1,4,2,3,"x"],[99999999999,1,4,2,3]]`
	got, err := rows.Candles([]byte(text), time.Minute, from)
	want := []ticker.Candle{
		{Start: 1700000100, Open: "2", High: "4", Low: "0.0000001", Close: "3"},
		{Start: 1700000160, Open: "2.0", High: "4", Low: "1.10", Close: "3.5"},
	}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := rows.Candles([]byte("[]"), time.Minute, from); len(got) != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	rows.Unit = time.Millisecond
	if got, err := rows.Candles([]byte(`[[1700000100000,1,4,2,3]]`), time.Minute, from); len(got) != 1 || got[0].Start != 1700000100 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{``, `{}`, `[1]`, `[[]]`, `[[1700000100,1,4,2]]`, `[[-1,1,4,2,3]]`, `["1700000100"]`, `[["1700000100",1,4,2,3]]`, `[[1700000100,0,4,2,3]]`, `[[1700000100,1,4,null,3]]`} {
		if got, err := rows.Candles([]byte(text), time.Minute, from); !errors.Is(err, ErrCandles) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

// A candle that has not ended is none yet.
func TestOpenCandle(t *testing.T) {
	rows := Rows{Unit: time.Millisecond, Open: 1, High: 1, Low: 1, Close: 1}
	now := time.Now()
	for age, want := range map[time.Duration]int{time.Minute - 5*time.Second: 0, time.Minute + 5*time.Second: 1, -time.Hour: 0} {
		text := fmt.Appendf(nil, "[[%d,1]]", now.Add(-age).UnixMilli())
		if got, err := rows.Candles(text, time.Minute, time.Unix(0, 0)); len(got) != want || err != nil {
			t.Errorf("begun %v ago: %v, %v", age, got, err)
		}
	}
}

func FuzzRows(f *testing.F) {
	f.Add([]byte(`[[1700000160,"1.10",4,"2.0",3.5,9],[1700000100,1e-7,4,2,3,null]]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Rows{Unit: time.Second, Low: 1, High: 2, Open: 3, Close: 4}.Candles(text, time.Minute, time.Unix(0, 0))
		for i, c := range got {
			if err != nil || !c.Open.Positive() || !c.High.Positive() || !c.Low.Positive() || !c.Close.Positive() || i > 0 && c.Start < got[i-1].Start {
				t.Errorf("%q: %v, %v", text, got, err)
			}
		}
	})
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"wss://ws.kraken.com/v2": "", "ws://127.0.0.1:8080": "", "wss://stream.binance.com:9443/stream?timeUnit=MICROSECOND": "",
		"": "not an address", "ws.kraken.com": "not an address", "https://ws.kraken.com": `"https" is not ws or wss`,
		"wss://": "without a host", "wss://me@ws.kraken.com": "user name",
	} {
		err := Addresses{URL: address, REST: "https://api.kraken.com"}.Validate()
		if fmt.Sprint(err) != "<nil>" && want == "" || want != "" && !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
	for address, good := range map[string]bool{"https://api.kraken.com": true, "http://127.0.0.1:1/x": true, "wss://ws.kraken.com": false} {
		if err := (Addresses{URL: "wss://ws.kraken.com/v2", REST: address}).Validate(); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}
