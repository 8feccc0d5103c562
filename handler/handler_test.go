package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/handler"
	"tickerd/ticker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// timeout is how long a test waits for what must come.
const timeout = 30 * time.Second

// now is the time in tests.
func now() time.Time { return time.UnixMicro(1700000000123456) }

// A world is a bus with a handler on it. The test is the gateway.
type world struct {
	t       testing.TB
	server  *bus.Server
	signer  *auth.Signer
	handler *handler.Handler
	stop    func() // ends the handler, and waits for it
	log     *logBuffer

	inside  *bus.Conn     // the handler's
	bus     *bus.Conn     // the gateway's
	answers chan *bus.Msg // whatever comes to the node's addresses
}

// options are what a test wants otherwise.
type options struct {
	workers  int              // 2
	policies []auth.Policy    // everything is allowed but the reading of XRP-*
	verifier handler.Verifier // the world's signer
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{
		t:       t,
		server:  bustest.New(t),
		signer:  auth.NewSigner(bytes.Repeat([]byte("k"), auth.MinTokenKey), time.Hour),
		log:     new(logBuffer),
		answers: make(chan *bus.Msg, 1<<17),
	}
	w.signer.Clock = now
	w.bus = bustest.Connect(t, w.server, "gateway")
	if _, err := w.bus.Subscribe(bus.Address(bustest.Node, "*"), func(m *bus.Msg) { w.answers <- m }); err != nil {
		t.Fatal(err)
	}
	w.flush(w.bus)
	w.handler, w.stop = w.run(o)
	return w
}

// run puts a handler on the bus, until it is stopped or the test ends.
func (w *world) run(o options) (h *handler.Handler, stop func()) {
	w.t.Helper()
	if o.workers == 0 {
		o.workers = 2
	}
	if o.policies == nil {
		o.policies = append(auth.Defaults().Policies, auth.Policy{
			Name: "no_xrp", Effect: auth.Deny, Actions: []string{auth.ActionRead}, Resources: []string{"XRP-*"}, Groups: []string{"user"},
		}, auth.Policy{
			Name: "events", Effect: auth.Allow, Actions: []string{auth.ActionConnect}, Resources: []string{"/sse/*"}, Groups: []string{"listener"},
		})
	}
	if o.verifier == nil {
		o.verifier = w.signer
	}
	w.inside = bustest.Connect(w.t, w.server, "handler")
	h = handler.New(handler.Config{Workers: o.workers}, handler.Parts{
		Bus:      w.inside,
		Policies: auth.NewPolicies(o.policies),
		Verifier: o.verifier,
		Symbols:  []ticker.Symbol{"BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD"},
		Log:      slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	h.Clock = now
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(stop)
	select {
	case <-h.Ready():
	case <-time.After(timeout):
		w.t.Fatal("handler is not ready")
	}
	return h, stop
}

func (w *world) flush(c *bus.Conn) {
	w.t.Helper()
	if err := c.Flush(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// newJoin is the join of a connection that wishes for nothing in particular.
func newJoin(id string) bus.Join {
	return bus.Join{
		ConnID: id, UserID: "user:demo", Role: "user", RemoteAddr: "192.0.2.1", Node: bustest.Node,
		AuthTime: now().Unix(), ExpiresAt: now().Add(time.Hour).Unix(),
	}
}

// publish sends what is answered at its connection's address.
func (w *world) publish(subject string, v any) {
	w.t.Helper()
	data, isRaw := v.([]byte)
	if !isRaw {
		var err error
		if data, err = json.Marshal(v); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.bus.Ask(subject, bus.Address(bustest.Node, bus.ConnID(subject)), data); err != nil {
		w.t.Fatal(err)
	}
}

// next is the next that comes to any of the node's addresses.
func (w *world) next() *bus.Msg {
	w.t.Helper()
	select {
	case m := <-w.answers:
		return m
	case <-time.After(timeout):
		w.t.Fatal("no answer")
		return nil
	}
}

// nextAnswer is next, which is for the connection id.
func (w *world) nextAnswer(id string) bus.Answer {
	w.t.Helper()
	m := w.next()
	if got := bus.AddressID(m.Subject); got != id {
		w.t.Fatalf("answer for %s, want %s: %s", got, id, m.Data)
	}
	var a bus.Answer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		w.t.Fatalf("%v: %q, %v", err, m.Data, m.Header)
	}
	return a
}

// join announces a connection, and gives the answer.
func (w *world) join(j bus.Join) bus.Answer {
	w.t.Helper()
	w.publish(bus.JoinOf(j.ConnID), j)
	return w.nextAnswer(j.ConnID)
}

// say sends a client's message, and gives the answer.
func (w *world) say(id, message string) bus.Answer {
	w.t.Helper()
	w.publish(bus.MessageOf(id), []byte(message))
	return w.nextAnswer(id)
}

// wantPong fails unless the connection is held, and by one handler.
func (w *world) wantPong(id string) {
	w.t.Helper()
	a := w.say(id, `{"type":"ping"}`)
	if string(a.Payload) != `{"type":"pong","ts":1700000000123456}` {
		w.t.Fatalf("%s: got %s, want a pong", id, a.Payload)
	}
}

// payload is what the client is sent.
type payload struct {
	Type      string
	Code      string
	Message   string
	ID        json.RawMessage
	Symbols   []string
	ExpiresIn int64 `json:"expires_in"`
}

func payloadOf(t testing.TB, a bus.Answer) (p payload) {
	t.Helper()
	if err := json.Unmarshal(a.Payload, &p); err != nil {
		t.Fatalf("%v: %s", err, a.Payload)
	}
	return p
}

// A logBuffer is what a handler has logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
