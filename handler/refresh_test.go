package handler_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tickerd/auth"
	"tickerd/bus"
)

// token is what an API key of the user would be exchanged for.
func (w *world) token(ttl time.Duration, who bus.ExchangeResult) (string, auth.Token) {
	w.t.Helper()
	who.ExpiresAt = now().Add(ttl).Unix()
	signer := auth.NewSigner([]byte(strings.Repeat("k", auth.MinTokenKey)), auth.MaxTokenTTL)
	signer.Clock = now
	raw, t, err := signer.Sign(who)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw, t
}

func TestRefresh(t *testing.T) {
	w := newWorld(t, options{})
	w.join(newJoin("a"))
	raw, token := w.token(2*time.Hour, bus.ExchangeResult{
		KeyID: "key1", UserID: "demo", Role: "user", Policies: []string{"user_policy", "no_xrp"}, Allowed: []string{"BTC-*"},
	})
	a := w.say("a", fmt.Sprintf(`{"type":"refresh","token":%q,"id":4}`, raw))
	if got, want := string(a.Payload), `{"type":"refreshed","id":4,"expires_in":7200}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if a.Subscribe != nil || a.Unsubscribe != nil || a.IntervalMS != nil || a.Close != nil {
		t.Errorf("it does more: %+v", a)
	}
	renewal, err := json.Marshal(a.Renewal)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"token_id":%q,"key_id":"key1","role":"user","policies":["user_policy","no_xrp"],"allowed":["BTC-*"],"issued_at":%d,"expires_at":%d}`,
		token.ID, token.IssuedAt, now().Add(2*time.Hour).Unix())
	if string(renewal) != want {
		t.Errorf("renewal:\ngot  %s\nwant %s", renewal, want)
	}
	// The new token counts now: it sees less, and is the one to be outlived.
	if p := payloadOf(t, w.say("a", `{"type":"subscribe","symbols":["ETH-USD"]}`)); p.Code != "forbidden" {
		t.Errorf("ETH-USD: %+v", p)
	}
	if p := payloadOf(t, w.say("a", fmt.Sprintf(`{"type":"refresh","token":%q}`, raw))); p.Code != "bad_token" {
		t.Errorf("the same again: %+v", p)
	}
}

// A token that cannot be taken changes nothing.
func TestRefreshRefused(t *testing.T) {
	w := newWorld(t, options{})
	w.join(newJoin("a"))
	demo := bus.ExchangeResult{UserID: "demo", Role: "user"}
	for name, c := range map[string]struct {
		ttl  time.Duration
		who  bus.ExchangeResult
		want string
	}{
		"another user":   {2 * time.Hour, bus.ExchangeResult{UserID: "demo2", Role: "user"}, "another user"},
		"same end":       {time.Hour, demo, "later"},
		"earlier end":    {time.Minute, demo, "later"},
		"may no connect": {2 * time.Hour, bus.ExchangeResult{UserID: "demo", Role: "nobody"}, "policy"},
	} {
		raw, _ := w.token(c.ttl, c.who)
		a := w.say("a", fmt.Sprintf(`{"type":"refresh","token":%q,"id":"r"}`, raw))
		p := payloadOf(t, a)
		if p.Code != "bad_token" || !strings.Contains(p.Message, c.want) || string(p.ID) != `"r"` || a.Renewal != nil || a.Close != nil {
			t.Errorf("%s: %s", name, a.Payload)
		}
	}
	raw, _ := w.token(2*time.Hour, demo)
	for name, bad := range map[string]string{"garbled": raw + "x", "foreign": strings.Replace(raw, ".", "x.", 1), "empty": ""} {
		p := payloadOf(t, w.say("a", fmt.Sprintf(`{"type":"refresh","token":%q}`, bad)))
		if p.Code != "bad_token" || p.Message != "invalid token" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if strings.Contains(w.log.String(), raw[:20]) {
		t.Error("a token is in the log")
	}
	if p := payloadOf(t, w.say("a", fmt.Sprintf(`{"type":"refresh","token":%q}`, raw))); p.Type != "refreshed" {
		t.Errorf("a good one after all that: %+v", p)
	}
}
