package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"tickerd/auth"
)

// post is a request for a token.
func post(body string) request {
	return request{
		method: "POST", target: "/auth/token", proto: "HTTP/1.1", behind: body,
		header: []string{"Host: ticker.example", fmt.Sprintf("Content-Length: %d", len(body))},
	}
}

// exchange is the request with a key.
func exchange(key auth.Key) request {
	return post(fmt.Sprintf(`{"api_key":%q}`, key.Reveal()))
}

// wantReply fails unless the answer is this one.
func wantReply(t *testing.T, got reply, status int, body string) {
	t.Helper()
	if got.status != status || got.body != body {
		t.Errorf("got %d %s, want %d %s", got.status, got.body, status, body)
	}
	if kind := got.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type %q", kind)
	}
}

const invalidKey = `{"error":"invalid API key"}`

// tokenIn is the token that a key was exchanged for.
func tokenIn(t *testing.T, got reply) string {
	t.Helper()
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != http.StatusOK || answer.Token == "" {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	return answer.Token
}

// A key becomes a token, and the token opens the stream.
func TestToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, info := w.key(auth.NewKey{User: "ann", Role: auth.RoleAdmin, Symbols: []string{"BTC-*"}})
	got := w.ask(first, exchange(key).with("Content-Type: text/plain"))
	var answer map[string]any
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != http.StatusOK {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	raw, _ := answer["token"].(string)
	if len(answer) != 4 || answer["user_id"] != "ann" || answer["role"] != "admin" || answer["expires_in"] != 3600.0 {
		t.Errorf("got %s", got.body)
	}
	if cache := got.header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control %q", cache)
	}
	token, err := w.verifier.Verify(raw)
	if err != nil || token.Actor() != "user:ann" || token.KeyID != info.ID || len(token.Allowed) != 1 {
		t.Errorf("token %+v, %v", token, err)
	}
	c := w.open(upgrade(raw))
	m := c.welcome()
	if m.UserID != "user:ann" || m.ExpiresIn < 3590 || m.ExpiresIn > 3600 {
		t.Errorf("got %s", m.raw)
	}
	c.bye()
}

// A token does not outlive its key.
func TestTokenEndsWithItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, _ := w.key(auth.NewKey{User: "ann", Expires: 10 * time.Minute})
	var answer struct {
		ExpiresIn int64 `json:"expires_in"`
	}
	got := w.ask(first, exchange(key))
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || answer.ExpiresIn < 590 || answer.ExpiresIn > 600 {
		t.Errorf("got %s: %v", got.body, err)
	}
}

func TestTokenBadRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		for body, want := range map[string]string{
			``:                           `invalid JSON`,
			`{`:                          `invalid JSON`,
			`api_key=tk_x`:               `invalid JSON`,
			`[]`:                         `invalid JSON`,
			`"tk_x"`:                     `invalid JSON`,
			`null`:                       `invalid JSON`,
			`{"api_key":"tk_x"} {}`:      `invalid JSON`,
			`{"api_key":5}`:              `invalid JSON`,
			`{"api_key":null}`:           `invalid JSON`,
			`{"api_key":["tk_x"]}`:       `invalid JSON`,
			`{"api_key":{"key":"tk_x"}}`: `invalid JSON`,
			`{}`:                         `api_key required`,
			`{"api_key":""}`:             `api_key required`,
			`{"API_KEY":"tk_x"}`:         `api_key required`,
			`{"Api_Key":"x","key":"y"}`:  `api_key required`,
		} {
			got := w.ask(by, post(body))
			if want := fmt.Sprintf(`{"error":%q}`, want); got.status != http.StatusBadRequest || got.body != want {
				t.Errorf("%s: %d %s, want 400 %s", body, got.status, got.body, want)
			}
		}
		chunks := post("zz\r\n").without("Content-Length").and("Transfer-Encoding: chunked")
		wantReply(t, w.ask(by, chunks), http.StatusBadRequest, `{"error":"invalid JSON"}`)
	})
}

// An unknown key, a revoked and an expired one are one and the same to the
// client.
func TestTokenInvalidKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	revoked, info := w.key(auth.NewKey{User: "ann"})
	if err := w.store.Revoke(context.Background(), info.ID); err != nil {
		t.Fatal(err)
	}
	expired, _ := w.key(auth.NewKey{User: "ann", Expires: time.Second})
	// The clock of the store is the real one: its seconds are looked at until the
	// key's has passed.
	for deadline := time.Now().Add(patience); w.store.Exchange(t.Context(), expired.Hash()).Error == ""; {
		if time.Now().After(deadline) {
			t.Fatal("the key does not expire")
		}
	}
	var all []string
	for what, r := range map[string]request{
		"unknown":   exchange(auth.RandomKey()),
		"malformed": post(`{"api_key":"no key at all"}`),
		"null byte": post(`{"api_key":"\u0000"}`),
		"revoked":   exchange(revoked),
		"expired":   exchange(expired),
	} {
		got := w.ask(first, r)
		wantReply(t, got, http.StatusUnauthorized, invalidKey)
		got.header.Del("Date")
		all = append(all, fmt.Sprint(got))
		if all[0] != fmt.Sprint(got) {
			t.Errorf("%s differs: %v, %v", what, all[0], got)
		}
	}
}

func TestTokenMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"} {
		r := post("")
		r.method = method
		got := w.ask(first, r)
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
			t.Errorf("%s: %d, Allow %q", method, got.status, got.header.Get("Allow"))
		}
		if want := `{"error":"method not allowed"}`; got.body != want && method != "HEAD" {
			t.Errorf("%s: %s", method, got.body)
		}
	}
}

func TestTokenTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fill := func(size int) string {
		const around = `{"api_key":""}`
		return `{"api_key":"` + strings.Repeat("x", size-len(around)) + `"}`
	}
	wantReply(t, w.ask(first, post(fill(4<<10))), http.StatusUnauthorized, invalidKey)
	for _, r := range []request{
		post(fill(4<<10 + 1)),
		post(fill(64 << 10)),
		post(fill(8 << 10)).with("Content-Length: 1000000000"), // most of which never comes
	} {
		wantReply(t, w.ask(first, r), http.StatusRequestEntityTooLarge, `{"error":"request body too large"}`)
	}
}

// An address that tried too many keys is refused even with a good one, until the
// time that it is told.
func TestTokenAttempts(t *testing.T) {
	t.Parallel()
	const tooMany = `{"error":"too many attempts"}`
	w := newWorld(t, func(o *options) {
		o.auth.FailuresPerMinute, o.auth.TokensPerMinute = 2, 3
		o.server.TrustedProxies = []string{"127.0.0.0/8"}
	})
	key, _ := w.key(auth.NewKey{User: "ann"})
	from := func(addr string, r request) reply { return w.ask(first, r.and("X-Forwarded-For: "+addr)) }
	for range 2 {
		wantReply(t, from("192.0.2.1", exchange(auth.RandomKey())), http.StatusUnauthorized, invalidKey)
	}
	for _, r := range []request{exchange(auth.RandomKey()), exchange(key)} {
		got := from("192.0.2.1", r)
		wantReply(t, got, http.StatusTooManyRequests, tooMany)
		if after, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || after < 1 || after > 30 {
			t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
		}
	}
	// What is not an attempt is not counted, and no other address is limited.
	for range 5 {
		wantReply(t, from("192.0.2.2", post("{}")), http.StatusBadRequest, `{"error":"api_key required"}`)
	}
	for range 3 {
		if got := from("192.0.2.2", exchange(key)); got.status != http.StatusOK {
			t.Errorf("another address: %+v", got)
		}
	}
	wantReply(t, from("192.0.2.2", exchange(key)), http.StatusTooManyRequests, tooMany)
}

// A store that cannot answer is not the client's fault.
func TestTokenUnavailable(t *testing.T) {
	t.Parallel()
	const unavailable = `{"error":"database unavailable"}`
	w := newWorld(t, func(o *options) { o.auth.FailuresPerMinute = 1 })
	key, _ := w.key(auth.NewKey{User: "ann"})
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // which is no failure of the client's
		wantReply(t, w.ask(first, exchange(key)), http.StatusInternalServerError, unavailable)
	}
	w.stopAuth()
	wantReply(t, w.ask(first, exchange(key)), http.StatusInternalServerError, unavailable)
}
