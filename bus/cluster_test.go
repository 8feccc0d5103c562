package bus_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

// long bounds what elections of NATS may take several times, on a busy machine.
const long = 2 * time.Minute

// keep opens a stream of the cluster.
func keep(t *testing.T, c *bus.Conn) *bus.Stream {
	t.Helper()
	var stream *bus.Stream
	bustest.Until(t, "a stream can be opened", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var err error
		stream, err = c.OpenStream(ctx, bus.StreamConfig{Name: "KEPT", Subjects: []string{"kept.>"}, MessageTTL: true})
		return err == nil
	})
	return stream
}

// put puts a message, through elections.
func put(t *testing.T, s *bus.Stream, subject, text string) {
	t.Helper()
	bustest.Until(t, "a message can be put", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := s.PutOnce(ctx, subject, subject+text, []byte(text), 0)
		return err == nil
	})
}

func wantKept(t *testing.T, s *bus.Stream, subject, text string) {
	t.Helper()
	bustest.Until(t, subject+" is there", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		data, err := s.Last(ctx, subject)
		return err == nil && string(data) == text
	})
}

// What is published on one node is heard on all; what one keeps, all keep, whichever
// of them is gone; and a node that returns has what it missed.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := bustest.NewCluster(t, 3)
	conn := make([]*bus.Conn, 3)
	heard := make(chan *bus.Msg, 10)
	for i, s := range c.Servers {
		conn[i] = bustest.Connect(t, s, "test")
		if _, err := conn[i].SubscribeChan("greeting", heard); err != nil {
			t.Fatal(err)
		}
		if err := conn[i].Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	bustest.Until(t, "all three hear", func() bool {
		if err := conn[0].Publish("greeting", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		got = len(heard)
		for len(heard) > 0 {
			<-heard
		}
		return got >= 3
	})
	stream := keep(t, conn[0])
	put(t, stream, "kept.a", "1")
	bustest.Until(t, "there are three voters", func() bool { return c.Servers[1].Voters() == 3 })

	for gone := range 3 {
		c.Stop(gone)
		other := keep(t, conn[(gone+1)%3])
		wantKept(t, other, "kept.a", "1")
		put(t, other, "kept.while-"+string('0'+rune(gone)), "x")
		c.Start(gone)
		conn[gone] = bustest.Connect(t, c.Servers[gone], "again")
		wantKept(t, keep(t, conn[gone]), "kept.while-"+string('0'+rune(gone)), "x")
	}
}

// Of three nodes that know of one another, two are enough to begin.
func TestClusterBeginsWithTwo(t *testing.T) {
	t.Parallel()
	c := bustest.NewCluster(t, 3)
	c.Stop(2)
	put(t, keep(t, bustest.Connect(t, c.Servers[0], "test")), "kept.a", "1")
	c.Start(2)
	wantKept(t, keep(t, bustest.Connect(t, c.Servers[2], "test")), "kept.a", "1")
}

// Two nodes begin, and keep what is put in two places; a third is given a place of its
// own when it comes.
func TestClusterGrows(t *testing.T) {
	t.Parallel()
	c := bustest.NewCluster(t, 2)
	one := bustest.Connect(t, c.Servers[0], "test")
	stream := keep(t, one)
	put(t, stream, "kept.a", "1")
	c.Add()
	third := bustest.Connect(t, c.Servers[2], "test")
	bustest.Until(t, "three nodes keep the stream", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		n, err := third.Replicas(ctx, "KEPT")
		return err == nil && n == 3
	})
}

// A lease is one for the whole cluster.
func TestClusterLease(t *testing.T) {
	t.Parallel()
	c := bustest.NewCluster(t, 3)
	var leases []*bus.Leases
	for _, s := range c.Servers {
		conn := bustest.Connect(t, s, "feed")
		bustest.Until(t, "the lease can be opened", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			l, err := conn.OpenLeases(ctx)
			if err == nil {
				leases = append(leases, l)
			}
			return err == nil
		})
	}
	first, err := leases[0].Acquire(t.Context(), "node-0", bus.Tenure{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leases[1].Acquire(t.Context(), "node-1", bus.Tenure{}); err == nil {
		t.Error("two have it")
	}
	var last bus.Tenure
	bustest.Until(t, "node-1 knows of it", func() bool {
		last, err = leases[1].Last(t.Context())
		return err == nil && last.Node == "node-0"
	})
	second, err := leases[1].Acquire(t.Context(), "node-1", last)
	if err != nil || second.Term() <= first.Term() {
		t.Fatalf("term %d after %d: %v", second.Term(), first.Term(), err)
	}
	if err := first.Release(t.Context()); err == nil {
		t.Error("who has lost it wrote it")
	}
	for _, s := range c.Servers {
		s.Yield(bus.LeaseStream)
	}
}

// A node with another password is not let in.
func TestClusterPassword(t *testing.T) {
	c := bustest.NewCluster(t, 2)
	cfg := bus.Defaults()
	cfg.Listen, cfg.Node = "", "stranger"
	cfg.ClusterListen, cfg.ClusterPassword = "127.0.0.1:0", "another"
	cfg.Routes = []string{c.Servers[0].ClusterAddr().String()}
	log := make(lines, 1000)
	s, err := bus.Start(t.Context(), cfg, t.TempDir(), slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	log.await(t, "Authorization Violation")
}

// A leaf node hears what the cluster says, and is heard.
func TestLeaf(t *testing.T) {
	hub := bus.Defaults()
	hub.Listen, hub.Node, hub.LeafListen, hub.ClusterPassword = "", "hub", bustest.FreeAddress(t), "correct-horse"
	edge := bus.Defaults()
	edge.Listen, edge.Node, edge.LeafRemotes, edge.ClusterPassword = "", "edge", []string{hub.LeafListen}, "correct-horse"
	wantTalk(t, hub, edge)
}

// What a leaf node's connections say stays there if it handles them itself, and comes to
// the others if it does not.
func TestLeafKeepsConnections(t *testing.T) {
	for _, handles := range []bool{false, true} {
		hub, edge := bus.Defaults(), bus.Defaults()
		hub.Listen, hub.Node, hub.LeafListen, hub.ClusterPassword = "", "hub", bustest.FreeAddress(t), "correct-horse"
		edge.Listen, edge.Node, edge.LeafRemotes, edge.ClusterPassword = "", "edge", []string{hub.LeafListen}, "correct-horse"
		edge.Handles = handles
		conns := wantTalk(t, hub, edge)
		for i, c := range conns {
			var heard, message, later atomic.Bool
			for _, sub := range []struct {
				subject string
				told    *atomic.Bool
			}{{bus.AllOf("1"), &message}, {"later.1", &later}, {"heard.1", &heard}} { // who is told of the last knows of all
				if _, err := c.Subscribe(sub.subject, func(*bus.Msg) { sub.told.Store(true) }); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			say := func(subject string) {
				if err := conns[1-i].Publish(subject, nil); err != nil {
					t.Fatal(err)
				}
			}
			bustest.Until(t, "the other one is heard", func() bool { say("heard.1"); return heard.Load() })
			say(bus.MessageOf("1"))
			bustest.Until(t, "what is said later is heard", func() bool { say("later.1"); return later.Load() })
			if message.Load() == handles {
				t.Errorf("the leaf handles %v: from node %d a message came: %v", handles, 1-i, message.Load())
			}
		}
	}
}

// wantTalk starts two nodes, of which the second is told of by what the first says.
func wantTalk(t *testing.T, first, second bus.Config) (conns []*bus.Conn) {
	t.Helper()
	for _, cfg := range []bus.Config{first, second} {
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		s, err := bus.Start(t.Context(), cfg, t.TempDir(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		conns = append(conns, bustest.Connect(t, s, "test"))
	}
	for i, c := range conns {
		answer := []byte(`"` + first.Node + second.Node + `"`)
		if _, err := c.Subscribe("ask."+string('0'+rune(i)), func(m *bus.Msg) { _ = c.Publish(m.Reply, answer) }); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range conns {
		bustest.Until(t, "the other one answers", func() bool {
			var got string
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			return c.Request(ctx, "ask."+string('1'-rune(i)), nil, &got) == nil && got == first.Node+second.Node
		})
	}
	return conns
}

// A node without a server of its own is on another one's bus, and is again when that
// one was away.
func TestURL(t *testing.T) {
	cfg := bus.Defaults()
	cfg.Node, cfg.Listen, cfg.OperatorPassword = "system", bustest.FreeAddress(t), "letmein"
	store := t.TempDir()
	start := func() *bus.Server {
		s, err := bus.Start(t.Context(), cfg, store, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	system := start()
	guest := bus.Defaults()
	guest.Node, guest.URL = "guest", "nats://operator:letmein@"+cfg.Listen
	if err := guest.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := bus.Start(t.Context(), guest, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Addr() != nil || s.Voters() != 0 {
		t.Errorf("it listens on %v, and votes %d", s.Addr(), s.Voters())
	}
	c, err := s.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Subscribe("ask", func(m *bus.Msg) { _ = c.Publish(m.Reply, []byte("1")) }); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		asker := bustest.Connect(t, system, "asker")
		bustest.Until(t, "the guest answers", func() bool {
			var got int
			return asker.Request(t.Context(), "ask", nil, &got) == nil && got == 1
		})
		system.Close()
		system = start()
	}
	system.Close()

	guest.URL = "nats://operator:wrong@" + cfg.Listen
	system = start()
	defer system.Close()
	_, err = bus.Start(t.Context(), guest, t.TempDir(), slog.New(slog.DiscardHandler))
	if err == nil || strings.Contains(err.Error(), "wrong") || !strings.Contains(err.Error(), cfg.Listen) {
		t.Errorf("with a wrong password: %v", err)
	}
}

// lines are what is logged.
type lines chan string

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l lines) WithGroup(string) slog.Handler            { return l }

func (l lines) Handle(_ context.Context, r slog.Record) error {
	select {
	case l <- r.Message:
	default: // nobody reads any more
	}
	return nil
}

// await waits for a line with a text.
func (l lines) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(long)
	for {
		select {
		case line := <-l:
			if strings.Contains(line, text) {
				return
			}
		case <-timeout:
			t.Fatalf("%q is not logged", text)
		}
	}
}
