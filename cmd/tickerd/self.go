package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/cluster"
	"tickerd/gateway"
	"tickerd/handler"
	"tickerd/pricefeed"
)

// A self is what this node knows of itself: it tells the others, and decides by it
// whether clients may come in. Its parts are there before it is asked.
type self struct {
	began    time.Time
	voter    bool
	keyID    string // of the key that signs tokens
	bus      *bus.Server
	nodes    *cluster.Cluster
	service  *auth.Service // nil: the keys are kept by other nodes
	verifier *auth.Verifier
	feed     *pricefeed.Feed
	workers  *handler.Handler
	front    *gateway.Gateway

	serving  atomic.Bool
	draining atomic.Bool
}

// report is what the others are told.
func (s *self) report() cluster.Node {
	term, seq, lag := s.front.Newest()
	_, publishes := s.feed.Publishes()
	n := cluster.Node{
		Version:     readVersion().Version,
		StartedAt:   s.began.Unix(),
		State:       s.state(),
		Voter:       s.voter,
		Connections: s.front.Connections(),
		Held:        s.workers.Held(),
		Publisher:   publishes,
		Term:        term,
		Seq:         seq,
		LagMS:       lag.Milliseconds(),
		TokenKey:    s.keyID,
	}
	if s.service != nil {
		n.KeySeq = s.service.KeySeq()
	}
	return n
}

func (s *self) state() string {
	switch {
	case s.draining.Load():
		return cluster.Draining
	case !s.serving.Load():
		return cluster.Starting
	}
	return cluster.Ready
}

// reach is nil while clients may be let in: the cluster is there, and all that it has
// revoked is known here.
func (s *self) reach() error {
	if err := s.nodes.Ready(context.Background()); err != nil {
		return err
	}
	if s.service != nil {
		if err := s.service.Current(); err != nil {
			return err
		}
	}
	return s.verifier.Current()
}

// prices is nil when there are prices for who comes in: here, or published by another
// node and heard. Without a feed of its own, and while nobody publishes, there need not
// be any.
func (s *self) prices() error {
	if err := s.feed.Ready(); err != nil {
		return err
	}
	select {
	case <-s.front.Primed():
		return nil
	default:
	}
	publishes := func(n cluster.Seen) bool { return n.Publisher }
	if s.feed.HasSource() || slices.ContainsFunc(s.nodes.Nodes(), publishes) {
		return fmt.Errorf("price feed: %w", pricefeed.ErrNoTick)
	}
	return nil
}

// touch tells the parts whether the others can be reached.
func (s *self) touch(in bool) {
	if s.service != nil {
		s.service.Touch(in)
	}
	s.verifier.Touch(in)
	s.workers.Touch(in)
	s.front.Touch(in)
}

// gone tells the parts that a node is no more.
func (s *self) gone(node string) {
	s.workers.Gone(node)
	s.front.Gone(node)
}

// leave begins the end: the others take over what this node alone does for all.
func (s *self) leave() {
	s.draining.Store(true)
	s.nodes.Changed()
	s.feed.Retire()
}

// peers is the other nodes, as the feed needs to know them.
type peers struct {
	*cluster.Cluster
	bus *bus.Server
}

// Yield gives the leadership of a stream to another node.
func (p peers) Yield(stream string) { p.bus.Yield(stream) }
