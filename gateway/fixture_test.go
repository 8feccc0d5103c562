package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/gateway"
	"tickerd/handler"
	"tickerd/ticker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// discard is a log that nobody reads.
var discard = slog.New(slog.DiscardHandler)

// tokenKey signs the tokens of every test.
var tokenKey = bytes.Repeat([]byte("k"), auth.MinTokenKey)

// The roles of the tests, besides those that ship.
const (
	roleNoXRP   = "noxrp"   // may not read XRP-*
	roleOutside = "outside" // may not connect
)

// options are what a test wants otherwise than usual.
type options struct {
	gateway  gateway.Config
	server   gateway.ServerConfig
	auth     auth.Config
	checks   []gateway.Check
	workers  int          // of the handler; 0: the test is the handler
	listener net.Listener // nil: on loopback, at a free port
	silent   bool         // nobody says that he publishes
	patience time.Duration
	log      *slog.Logger
	parts    func(*parts)
}

// usual are the options that a test does not care about.
func usual() options {
	o := options{
		gateway:  gateway.Defaults(),
		server:   gateway.ServerDefaults(),
		auth:     auth.Defaults(),
		workers:  2,
		patience: patience,
		log:      discard,
	}
	o.server.Listen = "127.0.0.1:0"
	o.server.DrainSpread, o.server.DrainTimeout = 0, patience
	o.auth.Policies = append(o.auth.Policies,
		auth.Policy{Name: "all", Effect: auth.Allow, Actions: []string{"*"}, Resources: []string{"*"}, Groups: []string{roleNoXRP}},
		auth.Policy{Name: "no_xrp", Effect: auth.Deny, Actions: []string{auth.ActionRead}, Resources: []string{"XRP-*"}, Groups: []string{roleNoXRP}},
		auth.Policy{Name: "read", Effect: auth.Allow, Actions: []string{auth.ActionRead}, Resources: []string{"*"}, Groups: []string{roleOutside}},
	)
	return o
}

// A world is a gateway with all that it needs: a bus, a store of keys, and a
// handler. It speaks for the test that looks at it.
type world struct {
	testing.TB
	*node
}

// in is the world as a subtest looks at it.
func (w *world) in(t testing.TB) *world { return &world{t, w.node} }

// A node is what the worlds of a test and its subtests share.
type node struct {
	patience time.Duration

	server   *bus.Server
	bus      *bus.Conn // the test's own
	store    *auth.Store
	signer   *auth.Signer
	verifier *auth.Verifier
	policies *auth.Policies
	gateway  *gateway.Gateway
	dialer   func() (net.Conn, error)

	stopAuth    func() // ends who answers for the store, and waits
	stopHandler func() // ends the handler, and waits
	drain       func() // asks the gateway to end
	drained     <-chan struct{}

	publishing sync.Mutex
	seq        uint64
	term       atomic.Uint64 // of the newest tick

	mu     sync.Mutex
	leaves map[string][]bus.Leave // by connection
	left   chan struct{}          // closed and renewed with each leave
	known  []string               // connections that must leave once
}

func newNode(o options) *node {
	return &node{patience: o.patience, leaves: map[string][]bus.Leave{}, left: make(chan struct{})}
}

// newWorld brings a world up. It ends with the test, whereupon every connection
// must have left once.
func newWorld(t testing.TB, change ...func(*options)) *world {
	t.Helper()
	o := usual()
	for _, f := range change {
		f(&o)
	}
	w := &world{t, newNode(o)}
	w.server = bustest.New(t)
	w.bus = bustest.Connect(t, w.server, "test")
	if !o.silent {
		w.beat()
	}
	w.watchLeaves()
	w.startAuth(o)
	w.startGateway(o)
	if o.workers > 0 {
		w.stopHandler = w.startHandler(o.workers)
	}
	t.Cleanup(w.end)
	return w
}

// run calls f in the background, and gives what ends it and waits.
func (w *world) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(stop)
	return stop
}

// await waits for a channel to be closed.
func (w *world) await(what string, done <-chan struct{}) {
	w.Helper()
	select {
	case <-done:
	case <-time.After(w.patience):
		w.Fatalf("%s: not within %v", what, w.patience)
	}
}

func (w *world) startAuth(o options) {
	w.Helper()
	store, err := auth.Open(context.Background(), auth.Defaults(), filepath.Join(w.TempDir(), "tickerd.db"), discard)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { store.Close() })
	w.store = store
	w.policies = auth.NewPolicies(o.auth.Policies)
	w.signer = auth.NewSigner(tokenKey, o.auth.TokenTTL)
	w.verifier = auth.NewVerifier(w.signer, discard)
	service := auth.NewService(auth.ServiceParts{Bus: bustest.Connect(w, w.server, "auth"), Store: store, Policies: w.policies, Log: discard})
	w.stopAuth = w.run(service.Run)
}

type parts = gateway.Parts

// another is a world with a gateway of its own, and all else shared.
func (w *world) another(with func(*parts), change ...func(*options)) *world {
	w.Helper()
	o := usual()
	o.parts = with
	for _, f := range change {
		f(&o)
	}
	other := &world{w.TB, newNode(o)}
	other.server, other.bus, other.store = w.server, w.bus, w.store
	other.signer, other.verifier, other.policies = w.signer, w.verifier, w.policies
	other.startGateway(o)
	return other
}

// neighbour is another whose gateway is on a node of that name.
func (w *world) neighbour(node string, change ...func(*options)) *world {
	w.Helper()
	return w.another(func(p *parts) { p.Node = node }, change...)
}

// unstarted is a gateway for an address that does not listen yet.
func (w *world) unstarted(addr string, change ...func(*options)) *gateway.Gateway {
	w.Helper()
	o := usual()
	o.server.Listen = addr
	for _, f := range change {
		f(&o)
	}
	g, err := gateway.New(o.gateway, o.server, parts{
		Bus: w.bus, Node: "unstarted", Verifier: w.verifier, Policies: w.policies, Page: http.NotFoundHandler(), Log: discard,
	})
	if err != nil {
		w.Fatal(err)
	}
	return g
}

func (w *world) startGateway(o options) {
	w.Helper()
	conn := bustest.Connect(w, w.server, "gateway")
	p := parts{
		Bus:      conn,
		Node:     bustest.Node,
		Verifier: w.verifier,
		Policies: w.policies,
		Limiter:  auth.NewLimiter(o.auth.FailuresPerMinute, o.auth.TokensPerMinute),
		Symbols:  symbols(),
		Page: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "the page")
		}),
		Checks: o.checks,
		Log:    o.log,
	}
	if o.parts != nil {
		o.parts(&p)
	}
	g, err := gateway.New(o.gateway, o.server, p)
	if err != nil {
		w.Fatal(err)
	}
	w.gateway = g
	if o.listener != nil {
		err = g.ListenOn(context.Background(), o.listener)
	} else {
		err = g.Listen(context.Background())
	}
	if err != nil {
		w.Fatal(err)
	}
	if l, own := o.listener.(interface{ Dial() (net.Conn, error) }); own {
		w.dialer = l.Dial
	} else {
		w.dialer = func() (net.Conn, error) { return net.Dial("tcp", g.Addr().String()) }
	}
	if o.parts == nil {
		w.run(func(ctx context.Context) error { return w.verifier.Run(ctx, conn, g.Revoked) })
		w.await("verifier", w.verifier.Ready())
	}

	ctx, drain := context.WithCancel(context.Background())
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		if err := g.Run(ctx); err != nil {
			w.Error(err)
		}
	}()
	w.drain, w.drained = drain, drained
	w.Cleanup(func() {
		drain()
		<-drained
	})
}

// symbols are those that exist before their first price.
func symbols() []ticker.Symbol {
	return []ticker.Symbol{"BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD"}
}

// startHandler puts a handler on the bus, and gives what ends it and waits.
func (w *world) startHandler(workers int) (stop func()) {
	w.Helper()
	h := handler.New(handler.Config{Workers: workers}, handler.Parts{
		Bus:      bustest.Connect(w, w.server, "handler"),
		Policies: w.policies,
		Verifier: w.verifier,
		Symbols:  symbols(),
		Log:      discard,
	})
	stop = w.run(h.Run)
	w.await("handler", h.Ready())
	return stop
}

// watchLeaves notes every leave.
func (w *world) watchLeaves() {
	w.Helper()
	_, err := w.bus.Subscribe(bus.LeaveOf("*"), func(m *bus.Msg) {
		var leave bus.Leave
		if err := json.Unmarshal(m.Data, &leave); err != nil || leave.ConnID != bus.ConnID(m.Subject) {
			w.Errorf("leave %s of %s: %v", m.Data, m.Subject, err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.leaves[leave.ConnID] = append(w.leaves[leave.ConnID], leave)
		close(w.left)
		w.left = make(chan struct{})
	})
	if err != nil {
		w.Fatal(err)
	}
	w.flush()
}

// flush returns when the bus has taken what the test has sent.
func (w *world) flush() {
	w.Helper()
	if err := w.bus.Flush(context.Background()); err != nil {
		w.Fatal(err)
	}
}

// leave waits for a connection's leave.
func (w *world) leave(id string) bus.Leave {
	w.Helper()
	timeout := time.After(w.patience)
	for {
		w.mu.Lock()
		list, more := w.leaves[id], w.left
		w.mu.Unlock()
		if len(list) > 0 {
			return list[0]
		}
		select {
		case <-more:
		case <-timeout:
			w.Fatalf("no leave of %s", id)
		}
	}
}

// wantLeave fails unless a connection has left like this.
func (w *world) wantLeave(id string, code int, reason string) {
	w.Helper()
	if l := w.leave(id); l.Code != code || l.Reason != reason {
		w.Errorf("leave of %s: %d %q, want %d %q", id, l.Code, l.Reason, code, reason)
	}
}

// settle returns when every leave is noted that was published before.
func (w *world) settle() {
	w.Helper()
	mark := bus.NewID()
	if err := w.bus.PublishJSON(bus.LeaveOf(mark), bus.Leave{ConnID: mark}); err != nil {
		w.Fatal(err)
	}
	w.leave(mark)
}

// hasLeft reports whether a leave of a connection was published.
func (w *world) hasLeft(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.leaves[id]) > 0
}

// mustLeave notes a connection.
func (w *world) mustLeave(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = append(w.known, id)
}

// end ends the gateway, and looks whether everyone has left, and left once.
func (w *world) end() {
	w.drain()
	<-w.drained
	w.settle()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.known {
		if len(w.leaves[id]) == 0 {
			w.Errorf("%s has not left", id)
		}
	}
	for id, list := range w.leaves {
		if len(list) > 1 {
			w.Errorf("%s has left %d times: %+v", id, len(list), list)
		}
	}
	w.spin("every place is free again", func() bool {
		users, addrs := w.gateway.Places()
		return users+addrs == 0
	})
}

// tick publishes prices, each like "BTC-USD=42000.12", and gives the tick's bytes.
// The gateway has taken it then: what it is sent by another way comes later.
func (w *world) tick(prices ...string) string {
	w.Helper()
	w.publishing.Lock()
	defer w.publishing.Unlock()
	w.seq++
	msg := tickOf(w.seq, prices...)
	w.publishTick(msg, 1)
	w.spin("tick", func() bool { return w.gateway.Took(w.seq) })
	return msg
}

// spin waits for what will be so in an instant, and tells nobody.
func (w *world) spin(what string, done func() bool) {
	w.Helper()
	for began := time.Now(); !done(); runtime.Gosched() {
		if time.Since(began) > w.patience {
			w.Fatalf("%s: not within %v", what, w.patience)
		}
	}
}

// tickOf is a tick's one encoding.
func tickOf(seq uint64, prices ...string) string {
	t := ticker.Tick{Seq: seq, TS: int64(seq) * 1000}
	for _, p := range prices {
		symbol, price, _ := strings.Cut(p, "=")
		t.Data = append(t.Data, ticker.Price{Symbol: ticker.Symbol(symbol), Price: ticker.Decimal(price), Timestamp: 1_700_000_000})
	}
	return string(t.AppendJSON(nil))
}

// beat says that the publisher lives, as often as one does, until the test ends.
func (w *world) beat() {
	w.run(func(ctx context.Context) error {
		every := time.NewTicker(250 * time.Millisecond)
		defer every.Stop()
		for {
			if err := w.bus.PublishJSON(bus.PublisherAlive, bus.Alive{Node: "feed", Term: w.term.Load()}); err != nil {
				return err
			}
			select {
			case <-every.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
}

// publisherAnswers answers requests with what a publisher of a term says then.
func (w *world) publisherAnswers(subject string, term uint64, with func() []byte) {
	w.Helper()
	if _, err := w.bus.Subscribe(subject, func(m *bus.Msg) {
		reply := &bus.Msg{Subject: m.Reply, Data: with(), Header: map[string][]string{bus.HeaderTerm: {fmt.Sprint(term)}}}
		if err := w.bus.PublishMsg(reply); err != nil {
			w.Error(err)
		}
	}); err != nil {
		w.Fatal(err)
	}
	w.flush()
}

// publishTick sends a tick of a publisher's term; 0: without headers.
func (w *world) publishTick(msg string, term uint64) {
	w.Helper()
	w.term.Store(max(w.term.Load(), term))
	m := &bus.Msg{Subject: bus.Prices, Data: []byte(msg)}
	if term > 0 {
		m.Header = map[string][]string{bus.HeaderNode: {"feed"}, bus.HeaderTerm: {fmt.Sprint(term)}}
	}
	if err := w.bus.PublishMsg(m); err != nil {
		w.Fatal(err)
	}
	w.flush()
}

// publish sends anything.
func (w *world) publish(subject, msg string) {
	w.Helper()
	if err := w.bus.Publish(subject, []byte(msg)); err != nil {
		w.Fatal(err)
	}
	w.flush()
}

// sign makes a token with all the policies of a role.
func (w *world) sign(user, role string) string {
	w.Helper()
	return w.signFor(bus.ExchangeResult{KeyID: "key-" + user, UserID: user, Role: role})
}

// signFor makes a token; without policies, it has those of its role.
func (w *world) signFor(who bus.ExchangeResult) string {
	w.Helper()
	if who.Policies == nil {
		who.Policies = w.policies.Of(who.Role)
	}
	raw, _, err := w.signer.Sign(who)
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

// demo is a token of the user demo.
func (w *world) demo() string {
	w.Helper()
	return w.sign(auth.DemoUser, auth.RoleUser)
}

// key makes an API key.
func (w *world) key(k auth.NewKey) (auth.Key, auth.Info) {
	w.Helper()
	key, info, err := w.store.Create(context.Background(), k)
	if err != nil {
		w.Fatal(err)
	}
	return key, info
}
