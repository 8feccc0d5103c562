package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/bus/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A node is a cluster that runs, and what it calls.
type node struct {
	*cluster.Cluster
	gone  chan string
	touch chan bool
	stop  func()
}

func start(t *testing.T, s *bus.Server, name string, voters func() int) *node {
	t.Helper()
	return startAs(t, s, cluster.Config{Node: name, Voters: voters},
		cluster.Node{Version: "v1", State: cluster.Ready, Voter: true, Connections: len(name)})
}

// startAs has a node live that says this of itself.
func startAs(t *testing.T, s *bus.Server, cfg cluster.Config, said cluster.Node) *node {
	t.Helper()
	cfg.Conn, cfg.Log = bustest.Connect(t, s, "cluster"), slog.New(slog.DiscardHandler)
	cfg.Report = func() cluster.Node { return said }
	c := cluster.New(cfg)
	n := &node{Cluster: c, gone: make(chan string, 100), touch: make(chan bool, 100)}
	c.Gone(func(name string) { n.gone <- name })
	c.Touch(func(in bool) { n.touch <- in })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(n.stop)
	return n
}

func (n *node) sees(names string) func() bool {
	return func() bool {
		var list []string
		for _, seen := range n.Nodes() {
			list = append(list, seen.Node.Node)
		}
		return strings.Join(list, " ") == names
	}
}

// next is the next of a channel, which must come.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing comes")
		panic("unreachable")
	}
}

func three() int { return 3 }

// TestVotersOnly has a node that hears the voters alone ask one of them for all.
func TestVotersOnly(t *testing.T) {
	s := bustest.New(t)
	edge := startAs(t, s, cluster.Config{Node: "edge", VotersOnly: true}, cluster.Node{State: cluster.Ready})
	if list, err := edge.All(t.Context()); !errors.Is(err, bus.ErrNoResponders) {
		t.Errorf("without a voter: %v, %v", list, err)
	}
	other := startAs(t, s, cluster.Config{Node: "other"}, cluster.Node{State: cluster.Ready})
	voter := start(t, s, "voter", three)
	bustest.Until(t, "the voter sees all", voter.sees("edge other voter"))
	bustest.Until(t, "so does who has no vote", other.sees("edge other voter"))
	bustest.Until(t, "the edge sees the voter", edge.sees("edge voter"))
	for _, n := range []*node{edge, voter} {
		if list, err := n.All(t.Context()); err != nil || len(list) != 3 {
			t.Errorf("got %+v, %v", list, err)
		}
	}
}

func TestNodesOnOneBus(t *testing.T) {
	s := bustest.New(t)
	asker := bustest.Connect(t, s, "asker")
	if _, err := cluster.List(t.Context(), asker); !errors.Is(err, bus.ErrNoResponders) {
		t.Errorf("without a node: %v", err)
	}
	a, b := start(t, s, "a", three), start(t, s, "bb", three)
	for _, n := range []*node{a, b} {
		if !next(t, n.touch) || !n.InTouch() {
			t.Error("not in touch")
		}
		if err := n.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		bustest.Until(t, "each sees both", n.sees("a bb"))
	}

	for subject, rubbish := range map[string]string{
		bus.AliveOf("x"):    "rubbish",
		bus.AliveOf("y"):    `{"node":"z","state":"ready"}`,
		bus.AliveOf("a"):    "",
		"node.call":         "",
		bus.NodeList:        "",
		bus.AliveOf("call"): `[{"node":"call"}]`,
	} {
		if err := asker.Publish(subject, []byte(rubbish)); err != nil {
			t.Fatal(err)
		}
	}
	if err := asker.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := cluster.List(t.Context(), asker)
	if err != nil || len(list) != 2 {
		t.Fatalf("got %+v, %v", list, err)
	}
	want := cluster.Node{
		Node: "bb", RunID: list[1].RunID, Version: "v1", State: cluster.Ready, Voter: true, Voters: 3, Connections: 2,
	}
	if list[1].Node != want || want.RunID == "" || want.RunID == list[0].RunID {
		t.Errorf("got %+v", list[1])
	}

	b.stop()
	if got := next(t, a.gone); got != "bb" || !a.sees("a")() {
		t.Errorf("gone is %q", got)
	}
	start(t, s, "bb", three)
	bustest.Until(t, "it is seen again", a.sees("a bb"))
}

func TestRoll(t *testing.T) {
	s := bustest.New(t)
	a := start(t, s, "a", three)
	bustest.Until(t, "it sees itself", a.sees("a"))
	asker := bustest.Connect(t, s, "asker")
	beats := make(chan *bus.Msg, 1000)
	if _, err := asker.SubscribeChan(bus.NodesAlive, beats); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := asker.Publish(bus.NodeRoll, nil); err != nil {
			t.Fatal(err)
		}
		if m := next(t, beats); m.Subject != "node.a.alive" {
			t.Errorf("%s: %s", m.Subject, m.Data)
		}
	}
}

func TestUnusableName(t *testing.T) {
	c := cluster.New(cluster.Config{
		Conn: bustest.Connect(t, bustest.New(t), "cluster"), Node: "a.b", Log: slog.New(slog.DiscardHandler),
		Report: func() cluster.Node { return cluster.Node{State: cluster.Ready} },
	})
	if err := c.Run(t.Context()); err == nil || err.Error() != "what this node says of itself: its name is not one token of a subject" {
		t.Errorf("got %v", err)
	}
}

// The bus of a node that is cut off for good.
func TestLostBus(t *testing.T) {
	s := bustest.New(t)
	conn := bustest.Connect(t, s, "cluster")
	c := cluster.New(cluster.Config{
		Conn: conn, Node: "a", Alone: true, Log: slog.New(slog.DiscardHandler),
		Report: func() cluster.Node { return cluster.Node{State: cluster.Ready} },
	})
	touch := make(chan bool, 10)
	c.Touch(func(in bool) { touch <- in })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	if !next(t, touch) {
		t.Error("cut off at first")
	}
	s.Close()
	if next(t, touch) || c.InTouch() {
		t.Error("in touch with a bus that is no more")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Real servers with routes between them, of which one dies, and then another.
func TestServersDie(t *testing.T) {
	servers := bustest.NewCluster(t, 3)
	nodes := make([]*node, 3)
	for i, s := range servers.Servers {
		nodes[i] = start(t, s, s.Node(), s.Voters)
	}
	for _, n := range nodes {
		if !next(t, n.touch) {
			t.Error("cut off at first")
		}
		bustest.Until(t, "each sees all", n.sees("node-0 node-1 node-2"))
	}
	servers.Stop(2)
	for _, n := range nodes[:2] {
		if got := next(t, n.gone); got != "node-2" {
			t.Errorf("gone is %s", got)
		}
		if !n.InTouch() || len(n.touch) > 0 {
			t.Error("the majority is there, and they are not in touch")
		}
	}
	if next(t, nodes[2].touch) || nodes[2].InTouch() {
		t.Error("in touch without a server")
	}
	servers.Stop(1)
	if next(t, nodes[0].touch) || nodes[0].InTouch() {
		t.Error("in touch with a minority")
	}
	servers.Start(1)
	// The node there keeps its name, and has a connection of its own to the new server.
	start(t, servers.Servers[1], "node-1", servers.Servers[1].Voters)
	if !next(t, nodes[0].touch) {
		t.Error("not in touch with two of three")
	}
}
