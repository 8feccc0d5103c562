package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// receive gives what comes next.
func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// listening starts a bus with a port.
func listening(t *testing.T) *bus.Server {
	t.Helper()
	cfg := bus.Config{Node: "test", Listen: "127.0.0.1:0", OperatorPassword: "the operator's password"}
	s, err := bus.Start(t.Context(), cfg, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestPermissions holds who may do what, over a real port.
func TestPermissions(t *testing.T) {
	s := listening(t)
	inside := bustest.Connect(t, s, "inside")
	operator := nats.UserInfo("operator", "the operator's password")
	for _, test := range []struct {
		name      string
		login     []nats.Option
		connects  bool
		subscribe map[string]bool // by subject, whether it is allowed
		publish   map[string]bool
	}{
		{
			name: "observer", connects: true,
			subscribe: map[string]bool{
				"ticker.>": true, bus.Prices: true, "ticker.candles.1m.BTC-USD": true,
				">": false, "*": false, "conn.>": false, "gateway.>": false, "auth.>": false, "$SYS.>": false, "$JS.>": false, "_INBOX.>": false,
			},
			publish: map[string]bool{bus.Prices: false, bus.Revoked: false, "conn.x.join": false, "$JS.API.INFO": false, "_INBOX.x": false},
		},
		{
			name: "operator", login: []nats.Option{operator}, connects: true,
			subscribe: map[string]bool{">": true, "conn.>": true, "gateway.>": true, "auth.>": true},
			publish:   map[string]bool{bus.Prices: true, bus.Revoked: true},
		},
		{name: "operator with a wrong password", login: []nats.Option{nats.UserInfo("operator", "guess")}},
		{name: "operator without a password", login: []nats.Option{nats.UserInfo("operator", "")}},
		{name: "nobody that we know", login: []nats.Option{nats.UserInfo("root", "")}},
		{name: "observer by name", login: []nats.Option{nats.UserInfo("observer", "")}},
		{name: "a token", login: []nats.Option{nats.Token("the operator's password")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			denied := make(chan error, 16)
			options := append(test.login, nats.NoReconnect(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
				denied <- err
			}))
			nc, err := nats.Connect("nats://"+s.Addr().String(), options...)
			if (err == nil) != test.connects {
				t.Fatalf("connect: %v", err)
			}
			if err != nil {
				return
			}
			defer nc.Close()
			for subject, allowed := range test.subscribe {
				sub, err := nc.SubscribeSync(subject)
				if err != nil {
					t.Fatal(err)
				}
				checkDenied(t, nc, denied, "subscribe to "+subject, allowed)
				_ = sub.Unsubscribe()
			}
			for subject, allowed := range test.publish {
				heard := make(chan *bus.Msg, 1)
				sub, err := inside.SubscribeChan(subject, heard)
				if err != nil {
					t.Fatal(err)
				}
				if err := inside.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := nc.Publish(subject, []byte("x")); err != nil {
					t.Fatal(err)
				}
				checkDenied(t, nc, denied, "publish "+subject, allowed)
				if allowed {
					receive(t, heard)
				} else if len(heard) > 0 {
					t.Errorf("%s of the %s was delivered", subject, test.name)
				}
				_ = sub.Unsubscribe()
			}
		})
	}
}

func checkDenied(t *testing.T, nc *nats.Conn, denied <-chan error, what string, allowed bool) {
	t.Helper()
	if err := nc.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	if !allowed {
		if err := receive(t, denied); !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	select {
	case err := <-denied:
		t.Errorf("%s: %v", what, err)
	default:
	}
}

// TestNoResponders holds what the gateway builds on: a message that nobody takes
// comes back to a wildcard subscription, with its subject, before anything that
// is published after it.
func TestNoResponders(t *testing.T) {
	s := bustest.New(t)
	gateway, handler := bustest.Connect(t, s, "gateway"), bustest.Connect(t, s, "handler")
	came := make(chan *bus.Msg, 8)
	if _, err := gateway.Subscribe(bus.Address("n", "*"), func(m *bus.Msg) { came <- m }); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{bus.MessageOf("a"), bus.JoinOf("b")} {
		if err := gateway.Ask(subject, bus.Address("n", bus.ConnID(subject)), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if err := gateway.Publish(bus.Address("n", "a"), []byte("after")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{bus.MessageOf("a"), bus.JoinOf("b")} {
		m := receive(t, came)
		if subject, none := bus.NoResponders(m); !none || subject != want || bus.AddressID(m.Subject) != bus.ConnID(want) {
			t.Errorf("got %q about %q, want no responders about %q", m.Subject, subject, want)
		}
	}
	if m := receive(t, came); string(m.Data) != "after" {
		t.Errorf("got %q", m.Data)
	}

	// Once somebody listens, it is delivered.
	if _, err := handler.Subscribe(bus.AllOf("a"), func(m *bus.Msg) { _ = handler.Publish(m.Reply, m.Data) }); err != nil {
		t.Fatal(err)
	}
	if err := handler.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := gateway.Ask(bus.MessageOf("a"), bus.Address("n", "a"), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, came); string(m.Data) != "hello" {
		t.Errorf("got %q", m.Data)
	}
}

// serve answers exchanges.
func serve(t testing.TB, c *bus.Conn, answer func(data []byte) any) {
	t.Helper()
	_, err := c.SubscribeQueue(bus.Exchange, "auth", func(m *bus.Msg) {
		if err := c.PublishJSON(m.Reply, answer(m.Data)); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRequest(t *testing.T) {
	s := bustest.New(t)
	c := bustest.Connect(t, s, "c")
	var got bus.ExchangeResult
	if err := c.Request(t.Context(), bus.Exchange, bus.ExchangeRequest{KeyHash: "x"}, &got); !errors.Is(err, bus.ErrNoResponders) {
		t.Errorf("without a responder: %v", err)
	}
	serve(t, c, func(data []byte) any {
		var q bus.ExchangeRequest
		if err := json.Unmarshal(data, &q); err != nil {
			return bus.ExchangeResult{Error: err.Error()}
		}
		return bus.ExchangeResult{UserID: "user of " + q.KeyHash}
	})
	if err := c.Request(t.Context(), bus.Exchange, bus.ExchangeRequest{KeyHash: "x"}, &got); err != nil || got.UserID != "user of x" {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := c.Ready(t.Context()); err == nil {
		t.Error("a closed connection is ready")
	}
}

func TestStartSaysWhyNot(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, listen, store, want string
	}{
		{"port in use", taken.Addr().String(), t.TempDir(), taken.Addr().String()},
		{"no such port", "127.0.0.1:99999", t.TempDir(), "99999"},
		{"store is no directory", "", filepath.Join(file, "store"), file},
	} {
		s, err := bus.Start(t.Context(), bus.Config{Node: "test", Listen: test.listen}, test.store, slog.New(slog.DiscardHandler))
		if err == nil {
			s.Close()
			t.Errorf("%s: started", test.name)
		} else if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, does not name %s", test.name, err, test.want)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := bus.Defaults().Validate(); err != nil {
		t.Error(err)
	}
	cluster := func(change func(*bus.Config)) bus.Config {
		c := bus.Defaults()
		c.ClusterListen, c.Routes = ":6222", []string{"a:6222", "b:6222"}
		change(&c)
		return c
	}
	if err := cluster(func(*bus.Config) {}).Validate(); err != nil {
		t.Error(err)
	}
	with := func(change func(*bus.Config)) bus.Config {
		c := bus.Defaults()
		change(&c)
		return c
	}
	for key, list := range map[string][]bus.Config{
		"listen":         {with(func(c *bus.Config) { c.Listen = "nowhere" })},
		"node":           {with(func(c *bus.Config) { c.Node = "a.b" })},
		"cluster_listen": {cluster(func(c *bus.Config) { c.ClusterListen = "6222" })},
		"routes": {
			with(func(c *bus.Config) { c.Routes = []string{"a:6222"} }),
			cluster(func(c *bus.Config) { c.Routes = nil }),
			cluster(func(c *bus.Config) { c.Routes = []string{"a"} }),
			cluster(func(c *bus.Config) { c.Routes = []string{":6222"} }),
			cluster(func(c *bus.Config) { c.Routes = []string{""} }),
		},
		"cluster_name": {
			with(func(c *bus.Config) { c.ClusterName = "" }), cluster(func(c *bus.Config) { c.ClusterName = "a b" }),
		},
		"cluster_password": {with(func(c *bus.Config) { c.LeafListen = ":7422" })},
		"cluster_tls_key":  {cluster(func(c *bus.Config) { c.ClusterTLSCert, c.ClusterTLSCA = "a", "b" })},
		"cluster_tls_ca":   {cluster(func(c *bus.Config) { c.ClusterTLSCert, c.ClusterTLSKey = "a", "b" })},
		"leaf_remotes": {
			with(func(c *bus.Config) { c.LeafRemotes = []string{"a"} }),
			cluster(func(c *bus.Config) { c.LeafRemotes, c.ClusterPassword = []string{"a:7422"}, "x" }),
		},
		"url": {
			with(func(c *bus.Config) { c.URL = "nats.example.com" }),
			with(func(c *bus.Config) { c.URL = "nats://a,http://b" }),
			cluster(func(c *bus.Config) { c.URL = "nats://a" }),
		},
		"credentials": {with(func(c *bus.Config) { c.Credentials = "x" })},
		"replicas":    {with(func(c *bus.Config) { c.Replicas = 2 })},
	} {
		for i, c := range list {
			var bad *bus.KeyError
			if err := c.Validate(); !errors.As(err, &bad) || bad.Key != key {
				t.Errorf("%s, number %d: %v", key, i, err)
			}
		}
	}
}

func TestNodeName(t *testing.T) {
	for host, want := range map[string]string{
		"web-1": "web-1", "web.example.com": "web-example-com", "a b*c>d\te": "a-b-c-d-e", "": "node", "höst": "höst",
	} {
		if got := bus.NodeName(host); got != want {
			t.Errorf("NodeName(%q) = %q, want %q", host, got, want)
		}
	}
}

// TestLocalSocket holds that the command line reaches a node that has no port,
// also where the path is longer than a socket's may be.
func TestLocalSocket(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("long", 30))} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "bus.sock")
		if bus.NodeRuns(path) {
			t.Fatal("a node runs before it was started")
		}
		// What a killed node leaves behind is no hindrance.
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.DiscardHandler)
		s, err := bus.Start(t.Context(), bus.Config{Node: "test", OperatorPassword: "secret"}, t.TempDir(), log)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.ServeLocal(path); err != nil {
			s.Close()
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("socket: %v, %v", info, err)
		}
		if !bus.NodeRuns(path) {
			t.Error("no node runs")
		}
		if _, err := bus.DialLocal(path, "wrong", "cli", false, log); err == nil {
			t.Error("a wrong password was taken")
		}
		c, err := bus.DialLocal(path, "secret", "cli", false, log)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		// The node ends though the command line is still connected.
		s.Close()
		c.Close()
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
	}
}

// lease takes the lease and keeps it until the returned function ends it.
func lease(t *testing.T, c *bus.Conn) (l *bus.Lease, end func()) {
	t.Helper()
	l, err := c.AcquireLease(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx, func(error) {}) }()
	return l, func() {
		cancel()
		if err := receive(t, done); err != nil {
			t.Error(err)
		}
	}
}

// TestLeaseGrows holds that seq and term only ever grow, whether their holder
// gave the lease back or was killed, and over restarts of the bus.
func TestLeaseGrows(t *testing.T) {
	store := t.TempDir()
	var lastSeq, lastTerm uint64
	for restart := range 3 {
		s, err := bus.Start(t.Context(), bus.Config{Node: "test"}, store, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Connect("feed")
		if err != nil {
			t.Fatal(err)
		}
		for holder := range 3 {
			l, end := lease(t, c)
			if l.Term() <= lastTerm {
				t.Fatalf("term %d after %d", l.Term(), lastTerm)
			}
			lastTerm = l.Term()
			for range 10 {
				seq, err := l.NextSeq()
				if err != nil {
					t.Fatal(err)
				}
				if seq <= lastSeq {
					t.Fatalf("seq %d after %d (restart %d, holder %d)", seq, lastSeq, restart, holder)
				}
				lastSeq = seq
			}
			end()
			if holder == 1 {
				before := lastSeq
				if err := l.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				next, endNext := lease(t, c)
				if lastSeq, err = next.NextSeq(); err != nil || lastSeq != before+1 {
					t.Errorf("after a release: %d, %v; want %d", lastSeq, err, before+1)
				}
				lastTerm = next.Term()
				endNext()
			}
		}
		c.Close()
		s.Close()
	}
}

// TestLeaseExtends holds that numbers never run out while the store answers.
func TestLeaseExtends(t *testing.T) {
	s := bustest.New(t)
	l, end := lease(t, bustest.Connect(t, s, "feed"))
	defer end()
	deadline := time.Now().Add(patience)
	for got := 0; got < 300_000; {
		_, err := l.NextSeq()
		switch {
		case err == nil:
			got++
		case !errors.Is(err, bus.ErrSeqExhausted):
			t.Fatal(err)
		case time.Now().After(deadline):
			t.Fatalf("numbers ran out after %d", got)
		}
	}
}

// TestLeaseIsLost holds that an outdated holder cannot extend it.
func TestLeaseIsLost(t *testing.T) {
	s := bustest.New(t)
	c := bustest.Connect(t, s, "feed")
	old, err := c.AcquireLease(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AcquireLease(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if err := old.Release(t.Context()); err == nil {
		t.Error("an outdated holder wrote the lease")
	}
}

func BenchmarkRequest(b *testing.B) {
	s := bustest.New(b)
	c := bustest.Connect(b, s, "c")
	serve(b, c, func([]byte) any { return bus.ExchangeResult{UserID: "demo"} })
	for b.Loop() {
		var got bus.ExchangeResult
		if err := c.Request(b.Context(), bus.Exchange, bus.ExchangeRequest{KeyHash: "x"}, &got); err != nil {
			b.Fatal(err)
		}
	}
}
