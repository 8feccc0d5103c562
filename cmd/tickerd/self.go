package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/cluster"
	"tickerd/gateway"
	"tickerd/handler"
	"tickerd/pricefeed"
	"tickerd/pricefeed/history"
	"tickerd/web"
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

// newSelf builds the parts; nothing of them lives yet. Without a store the keys are those
// of other nodes.
func newSelf(cfg settings, began time.Time, server *bus.Server, conns connections, store *auth.Store, log *slog.Logger) (*self, error) {
	symbols, err := parseSymbols(cfg.PriceFeed)
	if err != nil {
		return nil, err
	}
	policies := auth.NewPolicies(cfg.Auth.Policies)
	signer := auth.NewSigner([]byte(cfg.Auth.TokenKey), cfg.Auth.TokenTTL)
	s := &self{
		began: began, voter: cfg.Bus.Voter, keyID: signer.KeyID(), bus: server,
		verifier: auth.NewVerifier(signer, log),
	}
	s.nodes = cluster.New(cluster.Config{
		Conn:  conns.cluster,
		Node:  cfg.Bus.Node,
		Alone: cfg.Bus.IsAlone() || cfg.Bus.URL != "",
		// A leaf node that handles its connections itself needs no other's handlers, and
		// holds nobody else's connections.
		VotersOnly: cfg.Bus.IsLeaf() && cfg.Bus.Handles && cfg.Gateway.MaxConnectionsPerUser == 0,
		Report:     s.report,
		Voters:     server.Voters,
		Log:        log,
	})
	feedParts := pricefeed.Parts{
		Bus: conns.feed, Node: cfg.Bus.Node, Log: log,
		History: history.New(cfg.PriceFeed.History, cfg.PriceFeed.Source, symbols, conns.history, log),
	}
	s.workers = handler.New(cfg.Handler, handler.Parts{
		Bus:      conns.handler,
		Policies: policies,
		Verifier: s.verifier,
		Symbols:  symbols,
		Log:      log,
	})
	frontParts := gateway.Parts{
		Bus:      conns.gateway,
		Node:     cfg.Bus.Node,
		Verifier: s.verifier,
		Policies: policies,
		Limiter:  auth.NewLimiter(cfg.Auth.FailuresPerMinute, cfg.Auth.TokensPerMinute),
		Symbols:  symbols,
		Page:     web.Handler(),
		Checks:   []gateway.Check{{Name: "bus", Ready: conns.gateway.Ready}},
		Borrows:  store == nil,
		Log:      log,
	}
	if store != nil {
		s.service = auth.NewService(auth.ServiceParts{
			Bus: conns.auth, Store: store, Policies: policies, Node: cfg.Bus.Node,
			Cluster: !cfg.Bus.IsAlone(), Verifier: s.verifier, Log: log,
		})
		frontParts.Checks = append(frontParts.Checks, gateway.Check{Name: "store", Ready: store.Ready})
	}
	frontParts.Checks = append(frontParts.Checks, gateway.Check{Name: "feed", Ready: func(context.Context) error { return s.prices() }})
	if !cfg.Bus.IsAlone() {
		feedParts.Peers = peers{s.nodes, server}
		s.nodes.Touch(s.touch)
		s.nodes.Gone(s.gone)
		frontParts.Reach = s.reach
		frontParts.Checks = append(frontParts.Checks, gateway.Check{Name: "cluster", Ready: func(context.Context) error { return s.reach() }})
	}
	if s.feed, err = pricefeed.New(cfg.PriceFeed, feedParts); err != nil {
		return nil, err
	}
	if s.front, err = gateway.New(cfg.Gateway, cfg.Server, frontParts); err != nil {
		return nil, err
	}
	return s, nil
}

// start has all parts but the front live until ctx ends, as members of group.
func (s *self) start(ctx context.Context, group *errgroup.Group, verifier *bus.Conn) {
	if s.service != nil {
		group.Go(func() error { return s.service.Run(ctx) })
	}
	group.Go(func() error { return s.verifier.Run(ctx, verifier, s.front.Revoked) })
	group.Go(func() error { return s.workers.Run(ctx) })
	group.Go(func() error { return s.nodes.Run(ctx) })
	group.Go(func() error { return s.feed.Run(ctx) })
}

// beginnings are closed when the first client may come in. A node among others does not
// wait for them: until they are there it refuses everyone, and says why.
func (s *self) beginnings(cfg settings) []<-chan struct{} {
	list := []<-chan struct{}{s.workers.Ready()}
	if cfg.Bus.IsAlone() && s.service != nil {
		list = append(list, s.verifier.Ready())
	}
	if cfg.Bus.IsAlone() && cfg.PriceFeed.Source == pricefeed.SourceSimulator {
		list = append(list, s.front.Primed()) // an exchange may take its time
	}
	return list
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
// node and heard. Without a feed of its own, and while nobody publishes that this node
// hears of, there need not be any.
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
