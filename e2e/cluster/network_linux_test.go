package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"tickerd/e2e/nodetest"
)

// A network is of namespaces, all of its own: a hub, which has a bridge, and one for each
// node, with a line to the bridge. Clients are in the namespace of their node, so that a
// cut parts nodes and not clients from them. Nothing of it is seen outside.
//
//	node-1 10.77.0.1 ──┐
//	node-2 10.77.0.2 ──┼── hub
//	node-3 10.77.0.3 ──┘
type network struct {
	tb   testing.TB
	name string // how those of its namespaces begin
	hub  string
}

// networks counts those that this process has made.
var networks atomic.Int32

// prefix is how the names of our namespaces begin; then comes the process that made them.
const prefix = "tickerd-e2e-"

// newNetwork makes one, and takes it away with the test.
func newNetwork(tb testing.TB) *network {
	tb.Helper()
	if os.Getuid() != 0 {
		tb.Skip("network namespaces are made by root")
	}
	sweep(tb)
	n := &network{tb: tb, name: fmt.Sprintf("%s%d-%d-", prefix, os.Getpid(), networks.Add(1))}
	n.hub = n.name + "hub"
	if err := nodetest.Network("ip netns add " + n.hub); err != nil {
		tb.Skipf("no network namespaces: %v", err)
	}
	n.sweepWith(n.hub)
	if err := nodetest.Network("ip -n " + n.hub + " link add name bridge0 type bridge stp_state 0 forward_delay 0"); err != nil {
		tb.Skipf("no bridges: %v", err)
	}
	n.do("ip -n %s link set bridge0 up", n.hub)
	return n
}

// sweep removes what tests have left behind that ended without cleaning up.
func sweep(tb testing.TB) {
	tb.Helper()
	left, err := filepath.Glob("/run/netns/" + prefix + "*")
	if err != nil {
		tb.Fatal(err)
	}
	for _, path := range left {
		name := filepath.Base(path)
		owner, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "-")
		if pid, err := strconv.Atoi(owner); err != nil || syscall.Kill(pid, 0) == nil {
			continue // they are in use
		}
		if err := nodetest.Network("ip netns delete " + name); err != nil {
			tb.Log(err)
		}
	}
}

func (n *network) sweepWith(namespace string) {
	n.tb.Cleanup(func() {
		if err := nodetest.Network("ip netns delete " + namespace); err != nil {
			n.tb.Error(err)
		}
	})
}

func (n *network) do(format string, args ...any) {
	n.tb.Helper()
	if err := nodetest.Network(fmt.Sprintf(format, args...)); err != nil {
		n.tb.Fatal(err)
	}
}

// home makes the namespace of node number i, from 1, and gives its name.
func (n *network) home(i int) string {
	n.tb.Helper()
	name := fmt.Sprintf("%s%d", n.name, i)
	n.do("ip netns add %s", name)
	n.sweepWith(name)
	n.do("ip -n %s link set lo up", name)
	n.do("ip -n %s link add name line%d type veth peer name eth0 netns %s", n.hub, i, name)
	n.do("ip -n %s link set line%d master bridge0 up", n.hub, i)
	n.do("ip -n %s address add %s/24 dev eth0", name, address(i))
	n.do("ip -n %s link set eth0 up", name)
	return name
}

// address is that of node number i.
func address(i int) string { return fmt.Sprintf("10.77.0.%d", i) }

// cut takes the line of a node down at the bridge, heal brings it up again.
func (n *network) cut(i int)  { n.tb.Helper(); n.do("ip -n %s link set line%d down", n.hub, i) }
func (n *network) heal(i int) { n.tb.Helper(); n.do("ip -n %s link set line%d up", n.hub, i) }

// slow has the line to a node carry no more than a rate, such as "1mbit".
func (n *network) slow(i int, rate string) {
	n.tb.Helper()
	if err := nodetest.Network(fmt.Sprintf("tc -n %s qdisc replace dev line%d root tbf latency 500ms burst 16000 rate %s", n.hub, i, rate)); err != nil {
		n.tb.Skipf("no shaping of traffic: %v", err)
	}
}

// newFarFleet is newFleet with each node in a namespace of its own.
func newFarFleet(tb testing.TB, count int, settings ...string) (*fleet, *network) {
	tb.Helper()
	n := newNetwork(tb)
	f := &fleet{tb: tb, ledger: newLedger(), doors: map[string]*nodetest.Node{}, key: newDemoKey()}
	var routes []string
	for i := range count {
		routes = append(routes, address(i+1)+":6222")
	}
	for i, route := range routes {
		own := append(clustered(route, routes), fmt.Sprintf("pricefeed.seed=%d", i+1))
		f.berth(n.home(i+1), append(own, settings...)...)
	}
	f.launch()
	return f, n
}

// number is which of the nodes it is, from 1.
func (b *berth) number() int {
	n, _ := strconv.Atoi(strings.TrimPrefix(b.name, "node-"))
	return n
}
