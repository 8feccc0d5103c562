package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tickerd/gateway"
)

// get is a request without more.
func get(target string) request {
	return request{method: "GET", target: target, proto: "HTTP/1.1", header: []string{"Host: ticker.example"}}
}

// by is the request with another method.
func (r request) by(method string) request {
	r.method = method
	return r
}

// A path that is not there is not the page's where it is the server's.
func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for _, path := range []string{
			"/api/", "/api/x", "/api/v1/", "/api/v2/prices", "/api/v1/prices/BTC-USD/x", "/auth/", "/auth/x", "/auth/token/",
			"/ws/", "/ws/x", "/ws/ticker/", "/ws/ticker/x", "/ws/tickers", "/ws/x?token=y",
			"/sse/", "/sse/x", "/sse/ticker/", "/sse/tickers", "/api/v1/candles/", "/api/v1/candles/BTC-USD", "/api/v1/stats/x",
		} {
			for _, method := range []string{"GET", "POST"} {
				wantReply(t, w.ask(by, get(path).by(method)), http.StatusNotFound, `{"error":"not found"}`)
			}
		}
		for _, path := range []string{"/", "/x", "/wsx", "/charts/BTC-USD"} {
			if got := w.ask(by, get(path)); got.status != http.StatusOK || got.body != "the page" {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
	})
}

// What is answered to HEAD has no body: the client would take it for the next
// answer.
func TestHead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, status := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/auth/token": 405, "/ws/ticker": 405, "/ws/x": 404, "/api/x": 404, "/api/v1/prices": 401,
		"/sse/ticker": 401, "/api/v1/candles": 401, "/api/v1/stats": 401,
	} {
		w.bothWays(t, func(t *testing.T, w *world, by way) {
			c := w.dialBy(by)
			c.send(get(path).by("HEAD").and("Connection: close").String())
			got := c.reply("HEAD")
			if got.status != status {
				t.Errorf("%s: %d", path, got.status)
			}
			c.wantEOF()
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var feed, store error
	w := newWorld(t, func(o *options) {
		o.checks = []gateway.Check{
			{Name: "bus", Ready: func(context.Context) error { return nil }},
			{Name: "store", Ready: func(context.Context) error { return store }},
			{Name: "feed", Ready: func(context.Context) error { return feed }},
		}
	})
	const ok = `{"status":"ok"}`
	wantReply(t, w.ask(first, get("/healthz")), http.StatusOK, ok)
	wantReply(t, w.ask(first, get("/readyz")), http.StatusOK, ok)

	feed = errors.New("no price yet")
	got := w.ask(first, get("/readyz"))
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, `"feed"`) || strings.Contains(got.body, "bus") || strings.Contains(got.body, "store") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	wantReply(t, w.ask(first, get("/healthz")), http.StatusOK, ok)

	store = errors.New("disk is gone")
	got = w.ask(first, get("/readyz"))
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, `"not ready: store, feed"`) {
		t.Errorf("got %d %s", got.status, got.body)
	}

	for _, path := range []string{"/healthz", "/readyz"} {
		got := w.ask(first, get(path).by("POST"))
		if got.status != http.StatusMethodNotAllowed || !strings.Contains(got.header.Get("Allow"), "GET") {
			t.Errorf("POST %s: %+v", path, got)
		}
	}
}

func TestPrices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	get := func(path string) request { return get(path).and("Authorization: Bearer " + w.sign("ann", roleNoXRP)) }
	wantReply(t, w.ask(first, get("/api/v1/prices")), http.StatusOK, `{"seq":0,"ts":0,"data":[]}`)
	wantReply(t, w.ask(first, get("/api/v1/prices/BTC-USD")), http.StatusNotFound, `{"error":"unknown symbol"}`)
	witness := w.begin(upgrade(w.demo()))
	w.tick("BTC-USD=42000.10", "XRP-USD=0.5")
	witness.want(tickOf(1, "BTC-USD=42000.10", "XRP-USD=0.5"), w.tick("ETH-USD=2500"))

	const btc = `{"symbol":"BTC-USD","price":42000.10,"timestamp":1700000000}`
	const eth = `{"symbol":"ETH-USD","price":2500,"timestamp":1700000000}`
	wantReply(t, w.ask(first, get("/api/v1/prices")), http.StatusOK, `{"seq":2,"ts":2000,"data":[`+btc+","+eth+`]}`)
	wantReply(t, w.ask(first, get("/api/v1/prices/BTC-USD")), http.StatusOK, btc)
	wantReply(t, w.ask(first, get("/api/v1/prices/eth-usd")), http.StatusOK, eth)
	for _, symbol := range []string{"SOL-USD", "NOPE-USD", "nonsense", "%20", "*"} {
		wantReply(t, w.ask(first, get("/api/v1/prices/"+symbol)), http.StatusNotFound, `{"error":"unknown symbol"}`)
	}
	for _, symbol := range []string{"XRP-USD", "xrp-usd", "XRP-NOPE"} {
		wantReply(t, w.ask(first, get("/api/v1/prices/"+symbol)), http.StatusForbidden, `{"error":"forbidden"}`)
	}
	for _, path := range []string{"/api/v1/prices", "/api/v1/prices/BTC-USD"} {
		r := get(path).without("Authorization")
		wantReply(t, w.ask(first, r), http.StatusUnauthorized, unauthenticated)
		wantReply(t, w.ask(first, r.and("Authorization: Bearer "+w.demo()+"x")), http.StatusUnauthorized, unauthenticated)
		wantReply(t, w.ask(first, r.and("Authorization: Bearer "+w.sign("ann", roleOutside))), http.StatusForbidden, `{"error":"forbidden"}`)
		for _, s := range sources()[:4] {
			if got := w.ask(first, s.put(r, w.demo())); got.status != http.StatusOK {
				t.Errorf("%s, token in %s: %d %s", path, s.name, got.status, got.body)
			}
		}
		if got := w.ask(first, get(path).by("POST")); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") == "" {
			t.Errorf("POST %s: %+v", path, got)
		}
	}
}

// Credentials are never combined with an origin that stands for all.
func TestCORS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origins []string
		origin  string
		allowed string // Access-Control-Allow-Origin
	}{
		{[]string{"*"}, "https://any.example", "*"},
		{[]string{"https://app.example", "*"}, "https://app.example", "*"},
		{[]string{"https://app.example"}, "https://app.example", "https://app.example"},
		{[]string{"https://app.example"}, "https://evil.example", ""},
		{[]string{"https://app.example"}, "null", ""},
		{[]string{}, "https://any.example", ""},
		{nil, "https://any.example", ""},
	} {
		t.Run(fmt.Sprint(c.origins, c.origin), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *options) { o.server.AllowedOrigins = c.origins })
			check := func(what string, got reply) {
				t.Helper()
				allowed, credentials := got.header.Get("Access-Control-Allow-Origin"), got.header.Get("Access-Control-Allow-Credentials")
				if allowed != c.allowed {
					t.Errorf("%s: Access-Control-Allow-Origin %q, want %q", what, allowed, c.allowed)
				}
				if credentials != "" && (allowed == "*" || allowed == "") {
					t.Errorf("%s: credentials with origin %q", what, allowed)
				}
			}
			for path, method := range map[string]string{
				"/auth/token": "POST", "/api/v1/prices": "GET", "/api/v1/prices/BTC-USD": "GET",
				"/api/v1/candles": "GET", "/api/v1/stats": "GET", "/sse/ticker": "GET",
			} {
				preflight := get(path).by("OPTIONS").and("Origin: "+c.origin,
					"Access-Control-Request-Method: "+method, "Access-Control-Request-Headers: authorization,content-type")
				got := w.ask(first, preflight)
				if got.status != http.StatusNoContent || got.body != "" {
					t.Errorf("preflight of %s: %d %s", path, got.status, got.body)
				}
				check("preflight of "+path, got)
				if c.allowed != "" && got.header.Get("Access-Control-Allow-Methods") != method {
					t.Errorf("preflight of %s: methods %q", path, got.header.Get("Access-Control-Allow-Methods"))
				}
				check(path, w.ask(first, get(path).by(method).and("Origin: "+c.origin, "Content-Length: 0")))
			}
		})
	}
}
