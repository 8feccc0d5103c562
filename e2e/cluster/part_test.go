package cluster_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tickerd/bus/cluster"
	"tickerd/e2e/nodetest"
)

// onlyGateway are the settings of a node that keeps nothing and understands nothing: it has
// connections.
var onlyGateway = []string{"auth.database=none", "pricefeed.source=none", "handler.workers=0"}

// TestHandlerDies kills the node whose handler holds a connection of another node. The
// connection stays, the next message finds a new handler, and the subscription is kept.
func TestHandlerDies(t *testing.T) {
	t.Parallel()
	f := dockFleet(t, 3)
	gate := f.berths[0]
	gate.settings = append(gate.settings, "handler.workers=0")
	f.launch()
	leaves := gate.Operator(t)
	leaves.Subscribe("conn.*.leave")
	c := gate.Dial(t, f.token(), "?symbols=BTC-USD")
	welcome, _ := c.Greeting()
	for range 2 { // whichever node it is, and then the other one
		holder := f.holder(gate)
		f.kill(holder)
		c.Send(`{"type":"ping","id":1}`)
		c.Await("pong")
		for range 10 {
			if m := c.Await("ticker"); len(m.Data) != 1 || m.Of("BTC-USD") == "" {
				t.Errorf("subscribed to one symbol, there comes %s", m.Raw)
			}
		}
		f.holder(gate)
		f.launch()
	}
	c.Send(`{"type":"subscribe","symbols":["ETH-USD"],"id":2}`)
	if m := c.Await("subscribed"); !slices.Equal(m.Symbols, []string{"BTC-USD", "ETH-USD"}) {
		t.Errorf("what was subscribed is not kept: %s", m.Raw)
	}
	if code := c.Bye(); code != 1000 {
		t.Errorf("a close is answered with %d", code)
	}
	if d := leaves.Next(); d.Subject != "conn."+welcome.ConnID+".leave" {
		t.Errorf("instead of the leave: %+v", d)
	}
	if more := leaves.Waiting(); more != nil {
		t.Errorf("after the leave: %+v", more)
	}
}

// holder waits until one of the nodes that run holds the only connection.
func (f *fleet) holder(asked *berth) (found *berth) {
	f.tb.Helper()
	eventually(f.tb, "a handler holds the connection", func() bool {
		found = nil
		for _, n := range asked.nodes(f.tb) {
			if b := f.named(n.Node.Node); n.Held > 0 && b != nil && !b.down {
				found = b
			}
		}
		return found != nil
	}, nil)
	return found
}

// TestGatewayDies kills a node with clients. They go on elsewhere where they have been, and
// the cluster forgets what they were there.
func TestGatewayDies(t *testing.T) {
	t.Parallel()
	const count = 10
	f := newFleet(t, 3)
	token := f.token()
	was := f.others(f.publisher())[0]
	var watchers []*watcher
	for i := range count {
		watchers = append(watchers, f.watch(fmt.Sprintf("client %d", i), token, was.name))
	}
	died := time.Now()
	f.kill(was)
	for _, w := range watchers {
		eventually(t, w.name+" is back", func() bool { return w.came() == 2 }, nil)
		w.moves()
	}
	var gaps []time.Duration
	resumed, missed := 0, 0
	eventually(t, "nobody is held who is not there", func() bool {
		held := 0
		for _, b := range f.others() {
			held += int(b.Metric(t, "tickerd_handler_connections"))
		}
		return held == count
	}, nil)
	f.check(watchers...)
	for _, w := range watchers {
		gaps = append(gaps, w.longest(died))
		missed += w.missed()
		if w.visits[1].resumed {
			resumed++
		}
		if len(w.refusals) > 0 {
			t.Errorf("%s was refused: %v", w.name, w.refusals)
		}
	}
	took(t, "longest gap for a client of a gateway that was killed", gaps)
	t.Logf("%d of %d resumed, %d ticks were missed", resumed, count, missed)
	if resumed == 0 {
		t.Error("nobody has resumed")
	}
}

// TestOnlyGateway adds a node that only has connections. It serves everything, whichever of
// the others is down.
func TestOnlyGateway(t *testing.T) {
	t.Parallel()
	f := dockFleet(t, 3)
	routes := routesOf(f.berths[0])
	gate := f.berth("", slices.Concat(clustered(freeAddress(t), routes), onlyGateway)...)
	f.launch()
	token := gate.Token(t, f.key)
	watchers := f.watchAll(token)
	for _, b := range f.berths[:2] {
		f.kill(b)
		eventually(t, "a token from the gateway", func() bool {
			status, _ := gate.Exchange(t, f.key)
			return status == 200
		}, nil)
		c := gate.Dial(t, token, "?symbols=ETH-USD")
		c.Greeting()
		c.Send(`{"type":"ping"}`)
		c.Await("pong")
		watchers[3].moves()
		f.launch()
	}
	for _, n := range gate.nodes(t) {
		if n.Node.Node == gate.name && n.Voter {
			t.Error("who keeps nothing is a voter")
		}
	}
	f.check(watchers...)
}

// routesOf are the routes in a node's settings.
func routesOf(b *berth) []string {
	for _, setting := range b.settings {
		if list, is := strings.CutPrefix(setting, "bus.routes="); is {
			return strings.Split(list, ",")
		}
	}
	return nil
}

// TestLeaf puts a node at the edge of a cluster.
func TestLeaf(t *testing.T) {
	t.Parallel()
	f := dockFleet(t, 3)
	var remotes []string
	for _, b := range f.berths {
		address := freeAddress(t)
		b.settings = append(b.settings, "bus.leaf_listen="+address)
		remotes = append(remotes, address)
	}
	leaf := f.berth("", append(onlyGateway, "handler.workers=1", "bus.leaf_remotes="+strings.Join(remotes, ","), "bus.cluster_password="+clusterPassword)...)
	f.launch()
	token := leaf.Token(t, f.key)
	watchers := f.watchAll(token)
	f.kill(f.berths[0])
	for _, w := range watchers[1:] {
		w.moves()
	}
	if w := watchers[3]; w.came() != 1 {
		t.Errorf("the client of the leaf node has come %d times", w.came())
	}
	f.check(watchers...)
}

// TestForeignBus has a node use the NATS server of another one instead of its own.
func TestForeignBus(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	foreign := f.berth("", append(onlyGateway, "handler.workers=1", "bus.url="+fmt.Sprintf("nats://operator:%s@%s,nats://operator:%s@%s",
		operatorPassword, f.berths[0].Bus, operatorPassword, f.berths[1].Bus))...)
	f.launch()
	token := foreign.Token(t, f.key)
	watchers := f.watchAll(token)
	f.kill(f.berths[0])
	for _, w := range watchers[1:] {
		w.moves()
	}
	if w := watchers[3]; w.came() != 1 {
		t.Errorf("the client of the node without a server has come %d times", w.came())
	}
	f.check(watchers...)
}

// TestNodes asks for the list of nodes in every way.
func TestNodes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	publisher := f.publisher()
	names := []string{f.berths[0].name, f.berths[1].name, f.berths[2].name}
	for _, b := range f.berths {
		var printed []cluster.Seen
		if err := json.Unmarshal([]byte(b.Must(t, "nodes", "--json")), &printed); err != nil {
			t.Fatal(err)
		}
		for _, list := range [][]cluster.Seen{printed, b.nodes(t)} {
			var listed []string
			for _, n := range list {
				listed = append(listed, n.Node.Node)
				if n.State != cluster.Ready || !n.Voter || n.Version == "" || n.HeardMS > 5000 || n.Publisher != (n.Node.Node == publisher.name) {
					t.Errorf("%s is listed as %+v", n.Node.Node, n)
				}
			}
			if !slices.Equal(listed, names) {
				t.Errorf("listed are %v", listed)
			}
		}
		table := b.Must(t, "nodes")
		for _, name := range names {
			if !strings.Contains(table, name) {
				t.Errorf("%s is not in the table:\n%s", name, table)
			}
		}
		if lines := strings.Split(table, "\n"); !slices.ContainsFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, "*") && strings.Contains(l, publisher.name)
		}) {
			t.Errorf("%s is not marked:\n%s", publisher.name, table)
		}
	}
	f.kill(f.berths[2])
	eventually(t, "who is gone is listed no more", func() bool { return len(f.berths[0].nodes(t)) == 2 }, nil)
	other := nodetest.RunOn(t, nodetest.NewDataDir(t), nil, "nodes")
	if other.Status != 1 || other.Stderr == "" {
		t.Errorf("where no node runs: %+v", other)
	}
}
