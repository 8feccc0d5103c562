package bustest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"
	"time"

	"tickerd/bus"
)

// A Cluster is the servers of several nodes, with routes between them.
type Cluster struct {
	Servers []*bus.Server // nil: stopped

	t       testing.TB
	dir     string // of the stores, by the nodes' names
	configs []bus.Config
}

// NewCluster starts a cluster of n nodes, all of which keep streams. They are named
// "node-0" and so on.
func NewCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	c := &Cluster{t: t, dir: t.TempDir()} // is removed behind the clean-up that comes now
	t.Cleanup(func() {
		for i := range c.Servers {
			c.Stop(i)
		}
	})
	routes := make([]string, n)
	for i := range routes {
		routes[i] = FreeAddress(t)
	}
	for _, address := range routes {
		c.add(address, routes)
	}
	return c
}

// Add starts one more node, of which the others' settings do not know.
func (c *Cluster) Add() {
	c.t.Helper()
	c.add(FreeAddress(c.t), c.configs[0].Routes)
}

func (c *Cluster) add(address string, routes []string) {
	c.t.Helper()
	i := len(c.Servers)
	cfg := bus.Defaults()
	cfg.Listen, cfg.Node, cfg.Voter = "", fmt.Sprintf("node-%d", i), true
	cfg.ClusterListen, cfg.Routes, cfg.ClusterPassword = address, routes, "correct-horse"
	c.configs, c.Servers = append(c.configs, cfg), append(c.Servers, nil)
	c.Start(i)
}

// Start starts a node, with what it has kept.
func (c *Cluster) Start(i int) {
	c.t.Helper()
	s, err := bus.Start(c.t.Context(), c.configs[i], filepath.Join(c.dir, c.configs[i].Node), slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	c.Servers[i] = s
}

// Stop ends a node's server.
func (c *Cluster) Stop(i int) {
	if c.Servers[i] != nil {
		c.Servers[i].Close()
		c.Servers[i] = nil
	}
}

// FreeAddress is one on the loopback where nobody listens. Its port is at random and none
// that the system gives out by itself, to who connects, say, before it is listened at.
func FreeAddress(t testing.TB) string {
	t.Helper()
	const lowest, count = 10_000, 20_000
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(count))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal(err)
	panic("unreachable")
}

// Until calls done until it is true.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute still not: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
