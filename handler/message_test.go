package handler_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

// TestTranscripts plays testdata/*.txt: ">" is what a client says, "<" the answer
// on the bus, byte for byte. The connection of each has just joined.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	w := newWorld(t, options{})
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			id := strings.TrimSuffix(filepath.Base(file), ".txt")
			w.join(newJoin(id))
			said := ""
			for i, line := range strings.Split(string(text), "\n") {
				if message, ok := strings.CutPrefix(line, "> "); ok {
					w.publish(bus.MessageOf(id), []byte(message))
					said = message
				}
				if want, ok := strings.CutPrefix(line, "< "); ok {
					if got := string(w.next().Data); got != want {
						t.Errorf("%s:%d\nsaid %s\ngot  %s\nwant %s", file, i+1, said, got, want)
					}
				}
			}
		})
	}
}

// What is no message at all is answered without an id.
func TestBadJSON(t *testing.T) {
	w := newWorld(t, options{})
	w.join(newJoin("a"))
	for _, message := range []string{
		``, ` `, `hello`, `null`, `true`, `5`, `"ping"`, `[]`, `[{"type":"ping"}]`,
		`{`, `{"type":"ping"`, `{"type":"ping",}`, `{"type":"ping"}x`, `{"type":"ping"}{"type":"ping"}`, `{type:"ping"}`, `{'type':'ping'}`,
		`{"type":"ping","id":1`, `{"type":"ping","id":01}`, `{"type":"ping","id":+1}`, `{"type":"ping","id":NaN}`, `{"type":"ping","id":"a` + "\n" + `"}`,
		`{"type":"ping","id":null}`, `{"type":"ping","id":true}`, `{"type":"ping","id":[1]}`, `{"type":"ping","id":{"a":1}}`,
		"{\"type\":\"ping\",\"id\":\"\xff\"}", "\ufeff{\"type\":\"ping\"}",
		`{"id":1,"a":` + strings.Repeat("[", 15_000) + strings.Repeat("]", 15_000) + `}`,
	} {
		p := payloadOf(t, w.say("a", message))
		if p.Type != "error" || p.Code != "bad_json" || p.ID != nil || p.Message == "" {
			t.Errorf("%.60q: got %+v", message, p)
		}
	}
	w.wantPong("a")
}

// However much a client asks for, it is told what is too much, and goes on with
// what it had.
func TestTooManySymbols(t *testing.T) {
	w := newWorld(t, options{})
	w.join(newJoin("a"))
	patterns := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("%X*", i)
		}
		return list
	}
	many := func(n int) string {
		text, err := json.Marshal(patterns(n))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, kind := range []string{"subscribe", "unsubscribe"} {
		p := payloadOf(t, w.say("a", fmt.Sprintf(`{"type":%q,"id":1,"symbols":%s}`, kind, many(ticker.MaxPatterns+1))))
		if p.Code != "bad_symbol" || !strings.Contains(p.Message, fmt.Sprintf("at most %d", ticker.MaxPatterns)) || string(p.ID) != "1" {
			t.Errorf("%s: %+v", kind, p)
		}
	}
	// One less is not too much, but with the "*" that is held it is.
	full := fmt.Sprintf(`{"type":"subscribe","symbols":%s}`, many(ticker.MaxPatterns))
	if p := payloadOf(t, w.say("a", full)); p.Code != "bad_symbol" {
		t.Errorf("with what is held: %+v", p)
	}
	w.say("a", `{"type":"unsubscribe","symbols":["*"]}`)
	if p := payloadOf(t, w.say("a", full)); p.Type != "subscribed" || len(p.Symbols) != ticker.MaxPatterns {
		t.Errorf("just enough: %+v", p)
	}
	j := newJoin("b")
	j.Symbols = patterns(ticker.MaxPatterns + 1)
	if a := w.join(j); len(a.Subscribe) != 0 {
		t.Errorf("a wish: %q", a.Subscribe)
	}
	if p := payloadOf(t, w.nextAnswer("b")); p.Code != "bad_symbol" || !strings.Contains(p.Message, fmt.Sprintf("at most %d", ticker.MaxPatterns)) {
		t.Errorf("a wish: %+v", p)
	}
}

// A random client: what is held is what a naive model says, which knows all
// symbols, and what a gateway says that carries out the answers.
func TestRulesAgreeWithModelAndGateway(t *testing.T) {
	w := newWorld(t, options{})
	universe := []ticker.Symbol{"BTC-USD", "ETH-USD", "SOL-USD", "BTC-EUR", "ETH-EUR", "LTC-EUR"}
	patterns := []string{"BTC-USD", "ETH-USD", "sol-usd", "*", "BTC-*", "*-EUR", "*T*-USD", "E*", "*-*", "LTC-*"}
	const seeds, steps = 20, 40
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 0))
		id := fmt.Sprint(seed)
		gateway := ticker.Rules{}.Subscribe(w.join(newJoin(id)).Subscribe...)
		model := make(map[ticker.Symbol]bool)
		for _, s := range universe {
			model[s] = true
		}
		for range steps {
			kind := []string{"subscribe", "unsubscribe"}[r.IntN(2)]
			var chosen []string
			for range 1 + r.IntN(3) {
				chosen = append(chosen, patterns[r.IntN(len(patterns))])
			}
			list, err := json.Marshal(chosen)
			if err != nil {
				t.Fatal(err)
			}
			a := w.say(id, fmt.Sprintf(`{"type":%q,"symbols":%s}`, kind, list))
			held := payloadOf(t, a).Symbols
			gateway = gateway.Subscribe(a.Subscribe...).Unsubscribe(a.Unsubscribe...)
			if !slices.Equal(held, gateway) {
				t.Fatalf("seed %d: the client is told %q, the gateway has %q", seed, held, gateway)
			}
			for _, p := range chosen {
				for _, s := range universe {
					if ticker.Match(strings.ToUpper(p), string(s)) {
						model[s] = kind == "subscribe"
					}
				}
			}
			for _, s := range universe {
				if ticker.Rules(held).Match(s) != model[s] {
					t.Fatalf("seed %d: after %s %q, %q.Match(%s) = %t", seed, kind, chosen, held, s, !model[s])
				}
			}
		}
	}
}

// A symbol is known once it was in a tick.
func TestSymbolAppears(t *testing.T) {
	w := newWorld(t, options{})
	w.join(newJoin("a"))
	const subscribe = `{"type":"subscribe","symbols":["DOGE-USD"]}`
	if p := payloadOf(t, w.say("a", subscribe)); p.Code != "bad_symbol" {
		t.Fatalf("before: %+v", p)
	}
	if err := w.bus.Publish(bus.Prices, []byte("no tick")); err != nil {
		t.Fatal(err)
	}
	tick := ticker.Tick{Seq: 1, TS: 1, Data: []ticker.Price{{Symbol: "BTC-USD", Price: "1"}, {Symbol: "DOGE-USD", Price: "1"}}}
	if err := w.bus.Publish(bus.Prices, tick.AppendJSON(nil)); err != nil {
		t.Fatal(err)
	}
	// The tick comes by another subscription than the message does.
	for end := time.Now().Add(timeout); payloadOf(t, w.say("a", subscribe)).Type != "subscribed"; {
		if time.Now().After(end) {
			t.Fatal("not known after its tick")
		}
	}
	if p := payloadOf(t, w.say("a", `{"type":"subscribe","symbols":["BTC-USD"]}`)); p.Type != "subscribed" {
		t.Errorf("a symbol that was known: %+v", p)
	}
}
