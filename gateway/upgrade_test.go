package gateway_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"tickerd/auth"
	"tickerd/bus"
)

const unauthenticated = `{"error":"authentication required"}`

// An attempt is an upgrade to which faults are added.
type attempt struct {
	request
	user, role string
	badToken   bool
	query      []string
}

// A fault is what can be wrong with an attempt, and what it is answered.
type fault struct {
	name   string
	add    func(*attempt)
	status int
	body   string
	header string // which the answer has besides
	value  string // empty: any
}

// faults are all there are, the one that wins first.
func faults() []fault {
	return []fault{
		{"malformed", func(a *attempt) { a.request = a.and("no colon") }, 400, `{"error":"malformed request: header line \"no colon\""}`, "", ""},
		{"method", func(a *attempt) { a.method = "POST" }, 405, `{"error":"method not allowed"}`, "Allow", "GET"},
		{"token", func(a *attempt) { a.badToken = true }, 401, unauthenticated, "", ""},
		{"route", func(a *attempt) { a.role = roleOutside }, 403, `{"error":"forbidden"}`, "", ""},
		{"origin", func(a *attempt) { a.request = a.and("Origin: https://evil.example") }, 403, `{"error":"origin not allowed"}`, "", ""},
		{"upgrade", func(a *attempt) { a.request = a.without("Upgrade") }, 426, `{"error":"websocket upgrade required"}`, "Sec-WebSocket-Version", "13"},
		{"key", func(a *attempt) { a.request = a.without("Sec-WebSocket-Key") }, 400, `{"error":"malformed upgrade: no Sec-WebSocket-Key"}`, "", ""},
		{"query", func(a *attempt) { a.query = []string{"since", "x"} }, 400, `{"error":"since: \"x\" is not a sequence number"}`, "", ""},
		{"limit", func(a *attempt) { a.user = "full" }, 429, `{"error":"too many connections"}`, "Retry-After", ""},
	}
}

// refusing is a world for faults: one origin is allowed, one connection for each
// user, and the user "full" has it.
func refusing(t *testing.T, change ...func(*options)) (w *world, full *client) {
	w = newWorld(t, append([]func(*options){func(o *options) {
		o.gateway.MaxConnectionsPerUser = 1
		o.server.AllowedOrigins = []string{"https://app.example"}
	}}, change...)...)
	return w, w.begin(upgrade(w.sign("full", auth.RoleUser)))
}

// attempt is a request with some faults.
func (w *world) attempt(all ...fault) request {
	a := attempt{request: upgrade(""), user: "ann", role: auth.RoleUser}
	for _, f := range all {
		f.add(&a)
	}
	token := w.sign(a.user, a.role)
	if a.badToken {
		token += "x"
	}
	r := a.request.and("Authorization: Bearer " + token)
	if a.query != nil {
		r = r.query(a.query...)
	}
	return r
}

// wantRefusal fails unless the answer is that of the fault. What net/http cannot
// read it answers itself, in words of its own.
func wantRefusal(t *testing.T, by way, got reply, f fault) {
	t.Helper()
	if by == second && f.name == "malformed" {
		if got.status != f.status {
			t.Errorf("got %d, want %d", got.status, f.status)
		}
		return
	}
	wantReply(t, got, f.status, f.body)
	if _, there := got.header[http.CanonicalHeaderKey(f.header)]; f.header != "" && !there {
		t.Errorf("no header %s", f.header)
	}
	if v := got.header.Get(f.header); f.value != "" && v != f.value {
		t.Errorf("%s: %q, want %q", f.header, v, f.value)
	}
}

// Of any two faults, and of one and all that come behind it, the first wins, on
// a fresh connection as well as behind another request.
func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	w, _ := refusing(t)
	all := faults()
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for i, f := range all {
			sets := map[string][]fault{f.name + " alone": {f}, f.name + " and all the rest": all[i:]}
			for _, other := range all[i+1:] {
				if other.status != f.status {
					sets[f.name+" and "+other.name] = []fault{f, other}
				}
			}
			for name, set := range sets {
				t.Run(name, func(t *testing.T) { wantRefusal(t, by, w.in(t).ask(by, w.attempt(set...)), f) })
			}
		}
	})
}

// While the node drains nobody gets in, whatever else is wrong with the request,
// as long as it is one.
func TestUpgradeWhileDraining(t *testing.T) {
	t.Parallel()
	w, full := refusing(t, func(o *options) { o.server.DrainSpread, o.server.DrainTimeout = time.Hour, time.Hour })
	kept := w.dialBy(second)
	w.drain()
	full.until("drain")
	draining := fault{"draining", nil, 503, `{"error":"draining"}`, "Retry-After", ""}
	malformed := faults()[0]
	kept.send(w.attempt().String())
	wantRefusal(t, second, kept.reply("GET"), draining)
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		wantRefusal(t, by, w.ask(by, w.attempt()), draining)
		wantRefusal(t, by, w.ask(by, w.attempt(malformed)), malformed)
		for _, f := range faults()[1:] {
			t.Run(f.name, func(t *testing.T) { wantRefusal(t, by, w.in(t).ask(by, w.attempt(f)), draining) })
		}
		if got := w.ask(by, request{"GET", "/readyz", "HTTP/1.1", []string{"Host: a"}, ""}); got.status != 503 || got.body != draining.body {
			t.Errorf("/readyz: %d %s", got.status, got.body)
		}
		if got := w.ask(by, request{"GET", "/healthz", "HTTP/1.1", []string{"Host: a"}, ""}); got.status != 200 {
			t.Errorf("/healthz: %d %s", got.status, got.body)
		}
	})
	full.bye()
	w.await("drained", w.drained)
}

// What is no HTTP request, or one that proxies could understand in two ways, is
// refused before anything else.
func TestUpgradeMalformed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := upgrade(w.demo())
	line := func(method, target, proto string) request {
		r := good
		r.method, r.target, r.proto = method, target, proto
		return r
	}
	requests := map[string]request{
		"no Host":                   good.without("Host"),
		"two Hosts":                 good.and("Host: other.example"),
		"same Host twice":           good.and("Host: ticker.example"),
		"Host with a blank":         good.with("Host: ticker example"),
		"Host with a path":          good.with("Host: ticker.example/x"),
		"no colon":                  good.and("garbage"),
		"no name":                   good.and(": value"),
		"blank before the colon":    good.and("Accept : x"),
		"blank in the name":         good.and("Ac cept: x"),
		"control character in name": good.and("Ac\x01cept: x"),
		"letter beyond ASCII":       good.and("Accépt: x"),
		"null in the value":         good.and("Accept: \x00"),
		"bell in the value":         good.and("Accept: a\x07b"),
		"CR in the value":           good.and("Accept: a\rb"),
		"bad escape in the path":    line("GET", "/ws/ticker%zz", "HTTP/1.1"),
		"method with a comma":       line("GET,POST", "/ws/ticker", "HTTP/1.1"),
		"no version":                line("GET", "/ws/ticker", ""),
		"version in lower case":     line("GET", "/ws/ticker", "http/1.1"),
		"version of one number":     line("GET", "/ws/ticker", "HTTP/1"),
		"blanks in the target":      line("GET", "/ws/ticker ?a", "HTTP/1.1"),
		"length not a number":       good.and("Content-Length: five"),
		"two lengths":               good.and("Content-Length: 5", "Content-Length: 6"),
		"unknown transfer encoding": good.and("Transfer-Encoding: zip"),
	}
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for name, r := range requests {
			t.Run(name, func(t *testing.T) {
				got := w.in(t).ask(by, r)
				if got.status/100 != 4 && got.status != http.StatusHTTPVersionNotSupported && got.status != http.StatusNotImplemented {
					t.Errorf("got %d %s", got.status, got.body)
				}
				if by == first {
					wantNamed(t, got, http.StatusBadRequest, "malformed request")
				}
			})
		}
	})
	// Where net/http is more patient, a stream's first request is not.
	for name, r := range map[string]request{
		"continued line":      good.and("Accept: a\r\n b"),
		"length and encoding": good.and("Content-Length: 5", "Transfer-Encoding: chunked"),
		"two equal lengths":   good.and("Content-Length: 5", "Content-Length: 5"),
		"bare LF":             good.and("Accept: a\nAccept-Language: b"),
	} {
		t.Run(name, func(t *testing.T) {
			wantNamed(t, w.in(t).ask(first, r), http.StatusBadRequest, "malformed request")
		})
	}
}

// wantNamed fails unless an error names something.
func wantNamed(t *testing.T, got reply, status int, name string) {
	t.Helper()
	var body map[string]string
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || len(body) != 1 || got.status != status || !strings.Contains(body["error"], name) {
		t.Errorf("got %d %s, want %d with an error that names %s", got.status, got.body, status, name)
	}
}

// A head of 16 KiB is enough for everyone.
func TestUpgradeLargeHead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := upgrade(w.demo())
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for _, size := range []int{3 << 10, 5 << 10, 15 << 10} {
			if got := w.ask(by, good.and("Cookie: a="+strings.Repeat("x", size))); got.status != http.StatusSwitchingProtocols {
				t.Errorf("a cookie of %d bytes: %d %s", size, got.status, got.body)
			}
		}
		got := w.ask(by, good.and("Cookie: a="+strings.Repeat("x", 100<<10)))
		if got.status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a cookie of 100 KiB: %d %s", got.status, got.body)
		}
		if by == first {
			wantReply(t, got, http.StatusRequestHeaderFieldsTooLarge, `{"error":"request head too large"}`)
		}
	})
}

// A head may come in pieces, and what comes behind it with it.
func TestUpgradeInPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		r := upgrade(w.demo())
		r.behind = text(`{"type":"ping","id":7}`)
		c := &client{wire: w.dialBy(by)}
		for b := range []byte(r.String()) {
			c.send(r.String()[b : b+1])
		}
		if got := c.reply("GET"); got.status != http.StatusSwitchingProtocols {
			t.Fatalf("got %+v", got)
		}
		c.welcome()
		if m := c.until("pong"); string(m.ID) != "7" {
			t.Errorf("got %s", m.raw)
		}
		c.bye()
	})
}

// What browsers and proxies send is taken, and nothing is negotiated that was not
// offered.
func TestUpgradeAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := upgrade(w.demo())
	browser := good.and(
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Accept: */*",
		"Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate, br, zstd", "Pragma: no-cache", "Cache-Control: no-cache",
		"Origin: https://anywhere.example", "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: websocket", "Sec-Fetch-Site: cross-site",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for name, r := range map[string]request{
			"no more than must be":   good,
			"a browser's":            browser,
			"Firefox's Connection":   good.with("Connection: keep-alive, Upgrade"),
			"two lines Connection":   good.with("Connection: keep-alive").and("Connection: upgrade"),
			"capital letters":        good.with("Upgrade: WebSocket", "Connection: UPGRADE"),
			"several upgrades":       good.with("Upgrade: h2c, websocket"),
			"names in lower case":    good.without("Upgrade").and("upgrade: websocket"),
			"an empty body":          good.and("Content-Length: 0"),
			"no blank behind colon":  good.with("Sec-WebSocket-Version:13"),
			"blanks around a value":  good.with("Sec-WebSocket-Version: \t 13 \t"),
			"a port in Host":         good.with("Host: ticker.example:8081"),
			"an address in Host":     good.with("Host: [::1]:8081"),
			"the path escaped":       func() request { r := good; r.target = "/ws/%74icker"; return r }(),
			"an absolute target":     func() request { r := good; r.target = "http://ticker.example/ws/ticker"; return r }(),
			"an unknown query value": good.query("utm_source", "mail"),
		} {
			t.Run(name, func(t *testing.T) {
				c := w.in(t).dialBy(by)
				c.send(r.String())
				got := c.reply("GET")
				if got.status != http.StatusSwitchingProtocols {
					t.Fatalf("got %d %s", got.status, got.body)
				}
				for header, want := range map[string]string{
					"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": sampleAccept,
					"Sec-WebSocket-Extensions": "", "Sec-WebSocket-Protocol": "",
				} {
					if v := got.header.Get(header); v != want {
						t.Errorf("%s: %q, want %q", header, v, want)
					}
				}
				ws := &client{wire: c}
				ws.welcome()
				ws.bye()
			})
		}
	})
}

// What is no upgrade to WebSocket as we speak it is told so.
func TestUpgradeRequired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := upgrade(w.demo())
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for name, r := range map[string]request{
			"no Upgrade":          good.without("Upgrade"),
			"no Connection":       good.without("Connection"),
			"no version":          good.without("Sec-WebSocket-Version"),
			"neither":             good.without("Upgrade").without("Connection"),
			"another upgrade":     good.with("Upgrade: h2c"),
			"another connection":  good.with("Connection: keep-alive"),
			"an older version":    good.with("Sec-WebSocket-Version: 8"),
			"two versions":        good.with("Sec-WebSocket-Version: 13, 8"),
			"two lines versions":  good.with("Sec-WebSocket-Version: 8").and("Sec-WebSocket-Version: 13"),
			"Upgrade nearly":      good.with("Upgrade: websockets"),
			"Connection nearly":   good.with("Connection: upgrades"),
			"version not decimal": good.with("Sec-WebSocket-Version: 0xd"),
		} {
			t.Run(name, func(t *testing.T) {
				got := w.in(t).ask(by, r)
				wantReply(t, got, http.StatusUpgradeRequired, `{"error":"websocket upgrade required"}`)
				if v := got.header.Get("Sec-WebSocket-Version"); v != "13" {
					t.Errorf("Sec-WebSocket-Version: %q", v)
				}
			})
		}
	})
}

func TestUpgradeKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := upgrade(w.demo())
	key := func(n int) string {
		return "Sec-WebSocket-Key: " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
	}
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for name, r := range map[string]request{
			"missing":         good.without("Sec-WebSocket-Key"),
			"empty":           good.with("Sec-WebSocket-Key:"),
			"15 bytes":        good.with(key(15)),
			"17 bytes":        good.with(key(17)),
			"no base64":       good.with("Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="),
			"without padding": good.with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"),
			"twice":           good.and(key(16)),
			"twice the same":  good.and("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
			"a body":          good.and("Content-Length: 5").followed("hello"),
			"a body in parts": good.and("Transfer-Encoding: chunked").followed("0\r\n\r\n"),
			"HTTP/1.0":        func() request { r := good; r.proto = "HTTP/1.0"; return r }(),
		} {
			t.Run(name, func(t *testing.T) { wantNamed(t, w.in(t).ask(by, r), http.StatusBadRequest, "malformed upgrade") })
		}
	})
}

// A source is where a token may be; they are in the order in which they count.
type source struct {
	name string
	put  func(r request, token string) request
}

func sources() []source {
	query := func(name string) func(request, string) request {
		return func(r request, token string) request {
			sep := "?"
			if strings.Contains(r.target, "?") {
				sep = "&"
			}
			r.target += sep + name + "=" + token
			return r
		}
	}
	return []source{
		{"Authorization", func(r request, token string) request { return r.and("Authorization: Bearer " + token) }},
		{"query x-auth-token", query("x-auth-token")},
		{"query token", query("token")},
		{"cookie", func(r request, token string) request { return r.and("Cookie: a=b; x-auth-token=" + token + "; c=d") }},
		{"subprotocol", func(r request, token string) request {
			return r.and("Sec-WebSocket-Protocol: tickerd.v1, bearer." + token)
		}},
	}
}

// The first source that has a token is the one that counts, be it good or bad.
func TestTokenSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.demo()
	bad := good + "x"
	all := sources()
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		try := func(name string, r request, status int) {
			t.Helper()
			got := w.ask(by, r)
			if got.status != status || status == http.StatusUnauthorized && got.body != unauthenticated {
				t.Errorf("%s: %d %s, want %d", name, got.status, got.body, status)
			}
		}
		try("none", upgrade(""), 401)
		for i, s := range all {
			try(s.name, s.put(upgrade(""), good), 101)
			try(s.name+", bad", s.put(upgrade(""), bad), 401)
			try(s.name+", empty", s.put(upgrade(""), ""), 401)
			for _, later := range all[i+1:] {
				try(s.name+" good, "+later.name+" bad", later.put(s.put(upgrade(""), good), bad), 101)
				try(s.name+" bad, "+later.name+" good", s.put(later.put(upgrade(""), good), bad), 401)
				try(s.name+" empty, "+later.name+" good", s.put(later.put(upgrade(""), good), ""), 101)
			}
		}
		for name, r := range map[string]request{
			"scheme in lower case":     upgrade("").and("authorization: bearer " + good),
			"blanks behind the scheme": upgrade("").and("Authorization: Bearer   " + good),
			"cookie in quotes":         upgrade("").and(`Cookie: x-auth-token="` + good + `"`),
			"cookie alone":             upgrade("").and("Cookie: x-auth-token=" + good),
			"cookie behind garbage":    upgrade("").and("Cookie: =;;a b=c d; \x80; x-auth-token=" + good),
			"cookie on a second line":  upgrade("").and("Cookie: a=b", "Cookie: x-auth-token="+good),
			"subprotocol first":        upgrade("").and("Sec-WebSocket-Protocol: bearer." + good + ", tickerd.v1"),
			"subprotocol alone":        upgrade("").and("Sec-WebSocket-Protocol: bearer." + good),
			"subprotocol on two lines": upgrade("").and("Sec-WebSocket-Protocol: tickerd.v1", "Sec-WebSocket-Protocol: bearer."+good),
			"another scheme, a query":  upgrade("").and("Authorization: Basic YTpi").query("token", good),
		} {
			try(name, r, 101)
		}
		for name, r := range map[string]request{
			"another scheme":         upgrade("").and("Authorization: Basic " + good),
			"no scheme":              upgrade("").and("Authorization: " + good),
			"cookie of another name": upgrade("").and("Cookie: X-Auth-Token=" + good),
			"query in capitals":      upgrade("").query("X-Auth-Token", good),
			"subprotocol in capital": upgrade("").and("Sec-WebSocket-Protocol: tickerd.v1, Bearer." + good),
			"two tokens":             upgrade(good + " " + good),
		} {
			try(name, r, 401)
		}
	})
}

// The entry with the token is never the subprotocol that is selected.
func TestSubprotocol(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bearer := "bearer." + w.demo()
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for _, c := range []struct {
			offers []string
			want   string
		}{
			{[]string{"tickerd.v1, " + bearer}, "tickerd.v1"},
			{[]string{bearer + ", tickerd.v1"}, "tickerd.v1"},
			{[]string{bearer, "tickerd.v1"}, "tickerd.v1"},
			{[]string{bearer + ",tickerd.v1"}, "tickerd.v1"},
			{[]string{"graphql-ws, " + bearer + ", tickerd.v1"}, "tickerd.v1"},
			{[]string{bearer}, ""},
			{[]string{"graphql-ws, " + bearer}, ""},
			{[]string{"TICKERD.V1, " + bearer}, ""},
		} {
			r := upgrade("")
			for _, offer := range c.offers {
				r = r.and("Sec-WebSocket-Protocol: " + offer)
			}
			got := w.ask(by, r)
			values := got.header.Values("Sec-WebSocket-Protocol")
			if got.status != 101 || strings.Join(values, ",") != c.want {
				t.Errorf("%q: %d %s, selected %q, want %q", c.offers, got.status, got.body, values, c.want)
			}
		}
	})
}

// forge makes a token out of a header and claims, signed with key, unsigned
// without.
func forge(header, claims string, key []byte) string {
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(claims))
	if key == nil {
		return signed + "."
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return signed + "." + enc.EncodeToString(mac.Sum(nil))
}

// A token that is not ours, or not any more, is none. All of them look alike
// from outside.
func TestUpgradeBadToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.demo()
	const hs256 = `{"alg":"HS256","typ":"JWT"}`
	now := time.Now().Unix()
	claims := func(iss, sub string, iat, exp int64) string {
		return fmt.Sprintf(`{"iss":%q,"sub":%q,"iat":%d,"exp":%d,"role":"user","policies":[]}`, iss, sub, iat, exp)
	}
	ok := claims("tickerd", "user:demo", now, now+600)
	revoked := w.signFor(bus.ExchangeResult{KeyID: "gone", UserID: "demo", Role: auth.RoleUser})
	w.publish(bus.Revoked, `{"key_id":"gone"}`)
	w.revoked(revoked)
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		if got := w.ask(by, upgrade(forge(hs256, ok, tokenKey))); got.status != http.StatusSwitchingProtocols {
			t.Fatalf("another service's token: %d %s", got.status, got.body)
		}
		for name, token := range map[string]string{
			"garbage":           "garbage",
			"dots":              "..",
			"cut":               good[:len(good)-2],
			"a bit more":        good + "A",
			"without signature": good[:strings.LastIndexByte(good, '.')+1],
			"alg none":          forge(`{"alg":"none","typ":"JWT"}`, ok, nil),
			"alg None, signed":  forge(`{"alg":"None"}`, ok, tokenKey),
			"alg HS384":         forge(`{"alg":"HS384"}`, ok, tokenKey),
			"no alg":            forge(`{}`, ok, tokenKey),
			"foreign key":       forge(hs256, ok, []byte(strings.Repeat("f", 32))),
			"foreign kid":       forge(`{"alg":"HS256","kid":"0011223344556677"}`, ok, tokenKey),
			"foreign issuer":    forge(hs256, claims("other", "user:demo", now, now+600), tokenKey),
			"no user":           forge(hs256, claims("tickerd", "demo", now, now+600), tokenKey),
			"expired":           forge(hs256, claims("tickerd", "user:demo", now-600, now-1), tokenKey),
			"not begun":         forge(hs256, claims("tickerd", "user:demo", now+600, now+1200), tokenKey),
			"no end":            forge(hs256, `{"iss":"tickerd","sub":"user:demo"}`, tokenKey),
			"revoked":           revoked,
			"long":              strings.Repeat("x", 14<<10),
		} {
			t.Run(name, func(t *testing.T) {
				wantReply(t, w.in(t).ask(by, upgrade(token)), http.StatusUnauthorized, unauthenticated)
			})
		}
	})
}

// revoked waits until the gateway knows that a token is revoked.
func (w *world) revoked(token string) {
	w.Helper()
	for deadline := time.Now().Add(w.patience); ; {
		if _, err := w.verifier.Verify(token); err != nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatal("the token is not revoked")
		}
		w.flush()
	}
}

// Before it knows what was revoked, a node lets nobody in.
func TestUpgradeNotReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fresh := auth.NewVerifier(w.signer, discard)
	other := w.another(func(p *parts) { p.Verifier = fresh })
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		got := other.ask(by, upgrade(w.demo()))
		wantReply(t, got, http.StatusServiceUnavailable, `{"error":"not ready"}`)
		if got.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	})
}

// Pages of other origins are kept out; programs, which send none, are not.
func TestUpgradeOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.server.AllowedOrigins = []string{"https://app.example", "http://localhost:3000"} })
	good := upgrade(w.demo())
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for origin, status := range map[string]int{
			"":                             101,
			"https://app.example":          101,
			"HTTPS://App.Example":          101,
			"http://localhost:3000":        101,
			"https://ticker.example":       101, // our own: it is in Host
			"https://Ticker.Example":       101,
			"http://app.example":           403,
			"https://app.example:444":      403,
			"https://app.example.evil":     403,
			"https://evil.example":         403,
			"https://sub.app.example":      403,
			"http://localhost":             403,
			"https://ticker.example:444":   403,
			"https://ticker.example@evil":  403,
			"null":                         403,
			"ticker.example":               403,
			"https://":                     403,
			"%zz":                          403,
			"https://app.example, https:/": 403,
		} {
			r := good
			if origin != "" {
				r = r.and("Origin: " + origin)
			}
			got := w.ask(by, r)
			if got.status != status || status == 403 && got.body != `{"error":"origin not allowed"}` {
				t.Errorf("%s: %d %s, want %d", origin, got.status, got.body, status)
			}
		}
	})
}

// A bad value in the query is refused, and named.
func TestUpgradeQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// A limited token is not told which symbols there are.
	limited := upgrade(w.sign("ann", roleNoXRP))
	many := strings.TrimSuffix(strings.Repeat("A*,", 129), ",")
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for _, c := range []struct{ key, value, names string }{
			{"symbols", "BTC", "BTC"},
			{"symbols", "BTC-USD,", "symbols"},
			{"symbols", "BTC-USD,,ETH-USD", "symbols"},
			{"symbols", "BTC-USD;ETH-USD", "symbols"},
			{"symbols", "A-B-C", "A-B-C"},
			{"symbols", "BTC-*-*", "BTC-*-*"},
			{"symbols", "!BTC-USD", "!BTC-USD"},
			{"symbols", "BTC-USD,NOPE-USD,FOO-USD", "FOO-USD"},
			{"symbols", "NOPE-USD", "NOPE-USD"},
			{"symbols", many, "symbols"},
			{"interval", "soon", "interval"},
			{"interval", "100", "interval"},
			{"interval", "-1s", "interval"},
			{"interval", "60001ms", "interval"},
			{"interval", "1h", "interval"},
			{"since", "soon", "since"},
			{"since", "-1", "since"},
			{"since", "1.5", "since"},
			{"since", "", "since"},
			{"since", "18446744073709551616", "since"},
		} {
			wantNamed(t, w.ask(by, limited.query(c.key, c.value)), http.StatusBadRequest, c.key)
			wantNamed(t, w.ask(by, limited.query(c.key, c.value)), http.StatusBadRequest, strconv.Quote(c.names)[1:len(c.names)+1])
		}
		broken := limited
		broken.target += "?symbols=%zz"
		if got := w.ask(by, broken); got.status != http.StatusBadRequest {
			t.Errorf("%%zz: %d %s", got.status, got.body)
		}
		for _, symbols := range []string{"XRP-USD", "xrp-usd", "BTC-USD,XRP-USD", "XRP-NOPE"} {
			wantReply(t, w.ask(by, limited.query("symbols", symbols)), http.StatusForbidden, `{"error":"forbidden"}`)
		}
		for _, pair := range [][2]string{
			{"symbols", ""}, {"symbols", "btc-usd"}, {"symbols", "BTC-USD,ETH-*"}, {"symbols", "*"}, {"symbols", "XRP-*"}, {"symbols", "NOPE-*"},
			{"interval", ""}, {"interval", "0"}, {"interval", "0s"}, {"interval", "60s"}, {"interval", "1m"}, {"interval", "0.1s"},
			{"since", "0"}, {"since", "18446744073709551615"},
		} {
			if got := w.ask(by, limited.query(pair[0], pair[1])); got.status != http.StatusSwitchingProtocols {
				t.Errorf("%s=%s: %d %s", pair[0], pair[1], got.status, got.body)
			}
		}
	})
}

// A symbol is known from its first price on.
func TestUpgradeNewSymbol(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := upgrade(w.demo())
	if got := w.ask(first, r.query("symbols", "DOGE-USD")); got.status != http.StatusBadRequest {
		t.Errorf("before: %d %s", got.status, got.body)
	}
	witness := w.begin(r)
	witness.want(w.tick("DOGE-USD=0.1"))
	c := w.begin(r.query("symbols", "DOGE-USD"))
	c.want(w.tick("DOGE-USD=0.2"))
}

// again asks until the answer is not the given one any more: a place is given
// back an instant after its connection has left.
func (w *world) again(r request, while int) reply {
	w.Helper()
	for deadline := time.Now().Add(w.patience); ; {
		got := w.ask(first, r)
		if got.status != while {
			return got
		}
		if time.Now().After(deadline) {
			w.Fatalf("still %d %s", got.status, got.body)
		}
	}
}

const tooManyConnections = `{"error":"too many connections"}`

func TestConnectionsPerUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.gateway.MaxConnectionsPerUser = 2 })
	ann := upgrade(w.sign("ann", auth.RoleUser))
	clients := []*client{w.begin(ann), w.dialBy(second).upgraded(ann)}
	clients[1].welcome()
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		got := w.ask(by, ann)
		wantReply(t, got, http.StatusTooManyRequests, tooManyConnections)
		if got.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	})
	w.begin(upgrade(w.sign("bob", auth.RoleUser))).bye()
	// However a connection ends, its place is free again.
	for i, end := range []func(*client){(*client).bye, func(c *client) { c.reset() }} {
		end(clients[i])
		w.leave(clients[i].id)
		if got := w.again(ann, http.StatusTooManyRequests); got.status != http.StatusSwitchingProtocols {
			t.Errorf("got %+v", got)
		}
	}
}

// The address that counts is the client's, where a proxy that is trusted says it.
func TestConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) {
		o.gateway.MaxConnectionsPerIP = 1
		o.server.TrustedProxies = []string{"127.0.0.1"}
	})
	r := upgrade(w.demo())
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		net := map[way]string{first: "192.0.2.", second: "198.51.100."}[by]
		one := "X-Forwarded-For: " + net + "1"
		c := w.dialBy(by).upgraded(r.and(one))
		c.welcome()
		wantReply(t, w.ask(by, r.and(one)), http.StatusTooManyRequests, tooManyConnections)
		wantReply(t, w.ask(by, r.and("X-Forwarded-For: "+net+"9", one)), http.StatusTooManyRequests, tooManyConnections)
		if got := w.ask(by, r.and("X-Forwarded-For: "+net+"2")); got.status != http.StatusSwitchingProtocols {
			t.Errorf("another address: %d %s", got.status, got.body)
		}
		c.bye()
	})
}

// Of the addresses forwarded, the right-most that is no trusted proxy's is the
// client's. Who is not trusted is not believed.
func TestForwardedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		trusted   []string
		forwarded []string
		want      string
	}{
		{nil, nil, "127.0.0.1"},
		{nil, []string{"192.0.2.1"}, "127.0.0.1"},
		{[]string{"10.0.0.0/8"}, []string{"192.0.2.1"}, "127.0.0.1"},
		{[]string{"127.0.0.0/8"}, nil, "127.0.0.1"},
		{[]string{"127.0.0.0/8"}, []string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"127.0.0.0/8"}, []string{"192.0.2.1, 192.0.2.2"}, "192.0.2.2"},
		{[]string{"127.0.0.0/8"}, []string{"192.0.2.1", "192.0.2.2"}, "192.0.2.2"},
		{[]string{"127.0.0.0/8"}, []string{"192.0.2.2 , 10.1.2.3"}, "10.1.2.3"},
		{[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"192.0.2.1, 192.0.2.2, 10.1.2.3"}, "192.0.2.2"},
		{[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"10.9.9.9, 10.1.2.3"}, "10.9.9.9"},
		{[]string{"127.0.0.0/8"}, []string{"garbage"}, "127.0.0.1"},
		{[]string{"127.0.0.0/8"}, []string{"192.0.2.1, garbage"}, "127.0.0.1"},
		{[]string{"127.0.0.0/8"}, []string{""}, "127.0.0.1"},
		{[]string{"127.0.0.1"}, []string{"2001:db8::1"}, "2001:db8::1"},
		{[]string{"127.0.0.1"}, []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{[]string{"127.0.0.1", "2001:db8::/32"}, []string{"192.0.2.1, 2001:db8::1"}, "192.0.2.1"},
	} {
		t.Run(fmt.Sprint(c.trusted, c.forwarded), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *options) { o.server.TrustedProxies, o.workers = c.trusted, 0 })
			hand := w.hand()
			w.bothWays(t, func(t *testing.T, w *world, by way) {
				r := upgrade(w.demo())
				for _, f := range c.forwarded {
					r = r.and("X-Forwarded-For: " + f)
				}
				client := w.dialBy(by).upgraded(r)
				held := hand.take()
				if held.join.RemoteAddr != c.want {
					t.Errorf("got %s, want %s", held.join.RemoteAddr, c.want)
				}
				held.welcome()
				client.welcome()
				client.bye()
			})
		})
	}
}

// A symbol of the settings may be asked for before it has a price, but not when it is
// gone.
func TestSymbolIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wish := upgrade(w.demo()).query("symbols", "XRP-USD")
	c := w.begin(wish)
	const gone = `{"type":"status","source":"kraken","state":"down","symbols":["XRP-USD"],"gone":true}`
	w.publish(bus.StatusNews, gone)
	c.want(gone)
	wantReply(t, w.ask(first, wish), http.StatusBadRequest, `{"error":"symbols: unknown symbol [\"XRP-USD\"]"}`)
	c.bye()
}
