package handler

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"
	"unicode/utf8"
	"unique"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/ticker"
)

// FuzzMessage says anything to a connection. Whatever it is, it is answered with
// one well-formed message, which is an error with one of the codes and without
// effect, or carries out what was asked; the id comes back as it was given.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{
		`{"type":"ping","id":1}`,
		`{"type":"ping","id":"\u0041<&>\ud800"}`,
		`{"type":"subscribe","symbols":["BTC-USD","eth-*"],"interval_ms":100,"id":2}`,
		`{"type":"subscribe","symbols":["XRP-USD","NOPE-USD","!"],"interval_ms":1e2}`,
		`{"type":"unsubscribe","symbols":["*"],"id":-1.5e+300}`,
		`{"type":"refresh","token":"a.b.c","id":4}`,
		`{"TYPE":"ping","type":null,"id":5,"id":{}}`,
		`[]`, `null`, `{} {}`, "\xff",
	} {
		f.Add([]byte(s))
	}
	h := New(Config{}, Parts{
		Policies: auth.NewPolicies(append(auth.Defaults().Policies, auth.Policy{
			Name: "no_xrp", Effect: auth.Deny, Actions: []string{auth.ActionRead}, Resources: []string{"XRP-*"}, Groups: []string{"user"},
		})),
		Verifier: auth.NewSigner(bytes.Repeat([]byte("k"), auth.MinTokenKey), time.Hour),
		Symbols:  []ticker.Symbol{"BTC-USD", "ETH-USD", "XRP-USD"},
		Log:      slog.New(slog.DiscardHandler),
	})
	w := newWorker(h)
	codes := []string{codeBadJSON, codeUnknownType, codeBadSymbol, codeBadInterval, codeForbidden, codeBadToken}
	f.Fuzz(func(t *testing.T, data []byte) {
		held := ticker.Rules{"*", "!ETH-*"}
		who := unique.Make(holder{"test", "user:demo", h.policies.Scope("user", nil, nil)})
		c := &conn{who: who, rules: held.Hold(), interval: 7}
		w.buf.Reset()
		if err := w.encoder.Encode(c.decide(h, data)); err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(w.buf.Bytes()) {
			t.Fatalf("not UTF-8: %q", w.buf.Bytes())
		}
		var a bus.Answer
		if err := json.Unmarshal(w.buf.Bytes(), &a); err != nil {
			t.Fatalf("%v: %s", err, w.buf.Bytes())
		}
		var said struct {
			Type, Code, Message string
			ID                  json.RawMessage
			Symbols             []string
			Interval            uint16 `json:"interval_ms"`
		}
		if err := json.Unmarshal(a.Payload, &said); err != nil {
			t.Fatalf("%v: %s", err, a.Payload)
		}
		var fields map[string]json.RawMessage
		isObject := utf8.Valid(data) && json.Unmarshal(data, &fields) == nil && fields != nil
		id := fields["id"]
		switch {
		case !isObject || id != nil && !bytes.ContainsAny(id[:1], `"-0123456789`):
			if said.Code != codeBadJSON || said.ID != nil {
				t.Fatalf("%q: got %s", data, a.Payload)
			}
		case said.Code == codeBadJSON:
			t.Fatalf("%q: got %s", data, a.Payload)
		case !bytes.Equal(said.ID, id):
			t.Fatalf("id %s came back as %s", id, said.ID)
		}
		if said.Type == typeError {
			if !slices.Contains(codes, said.Code) || said.Message == "" {
				t.Fatalf("%q: got %s", data, a.Payload)
			}
			if a.Subscribe != nil || a.Unsubscribe != nil || a.IntervalMS != nil || a.Renewal != nil ||
				!slices.Equal(c.rules.Rules(), held) || c.interval != 7 {
				t.Fatalf("%q: refused, but it did something: %s", data, w.buf.Bytes())
			}
			return
		}
		rules := held.Subscribe(a.Subscribe...).Unsubscribe(a.Unsubscribe...)
		if !slices.Equal(c.rules.Rules(), rules) {
			t.Fatalf("%q: the handler holds %q, the gateway %q", data, c.rules.Rules(), rules)
		}
		if said.Type == typeSubscribed && (!slices.Equal(said.Symbols, c.rules.Rules()) || said.Interval != c.interval || a.Subscribe == nil) {
			t.Fatalf("%q: got %s", data, w.buf.Bytes())
		}
	})
}
