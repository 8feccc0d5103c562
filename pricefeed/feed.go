package pricefeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"tickerd/bus"
	"tickerd/pricefeed/history"
	"tickerd/ticker"
)

// readyWithin is how long ago another node may have been heard publishing.
const readyWithin = 5 * time.Second

// Feed publishes the prices of one source, or those that several agree on.
type Feed struct {
	cfg     Config
	node    string
	bus     *bus.Conn
	history *history.History // nil: none
	log     *slog.Logger
	origins []*origin // one or, for the composite, several; none without a source
	player  player    // nil with exchanges

	peers    Peers
	heard    *heard
	leases   chan *bus.Lease // from keepLease to publish; nil: no more
	doubts   chan struct{}   // publish has given up the lease
	ended    chan struct{}   // closed when publish has
	retired  chan struct{}   // closed by Retire
	retire   sync.Once
	term     atomic.Uint64        // of the lease; 0: this node does not publish
	lists    chan []ticker.Symbol // from Subscribe to publish
	counters counters
	health   atomic.Pointer[string] // the state as last told; nil: none yet
	failing  atomic.Bool            // the last tick could not be published

	// Owned by publish.
	symbols  []ticker.Symbol
	markets  []market        // of each symbol
	gone     []ticker.Symbol // the last that were among symbols
	lease    *bus.Lease
	waiting  []int          // symbols whose verdict may have changed
	rows     [][]said       // what each origin says of those
	verdicts []verdict      // of those
	news     []int          // of those, whose verdict has just changed
	untold   bool           // all states are to be told again
	batch    []ticker.Price // to be published, of the first that wait
	message  bus.Msg        // the last tick; its memory is used again
	requests requests       // that come while this node publishes
	spoke    time.Time      // when a tick, or word of life, was published last
	seq      uint64         // of the last tick
	ts       int64          // of the last tick, unix µs

	trouble    rate.Sometimes
	statusLog  rate.Sometimes // thousands of symbols may come one by one
	outlierLog rate.Sometimes
}

// Parts are what a feed is made of besides its settings.
type Parts struct {
	Bus     *bus.Conn
	Node    string
	Peers   Peers            // nil: there are none
	History *history.History // takes in every tick, and is Run and filled while this node publishes; nil: nobody does
	Log     *slog.Logger
}

// New makes the feed of a node from settings that are valid. It does nothing
// before Run.
func New(cfg Config, p Parts) (*Feed, error) {
	symbols, err := cfg.symbols()
	if err != nil {
		return nil, fmt.Errorf("price feed: %w", err)
	}
	f := &Feed{
		cfg:     cfg,
		node:    p.Node,
		bus:     p.Bus,
		history: p.History,
		log:     p.Log,
		symbols: symbols,
		markets: make([]market, len(symbols)),
		peers:   p.Peers,
		leases:  make(chan *bus.Lease),
		doubts:  make(chan struct{}, 1),
		ended:   make(chan struct{}),
		retired: make(chan struct{}),
		lists:   make(chan []ticker.Symbol, 1),
		message: bus.Msg{Subject: bus.Prices, Header: map[string][]string{bus.HeaderNode: {p.Node}}},
		trouble: rate.Sometimes{First: 1, Interval: 10 * time.Second},

		statusLog:  rate.Sometimes{First: 20, Interval: time.Second},
		outlierLog: rate.Sometimes{First: 10, Interval: time.Minute},
	}
	if f.peers == nil {
		f.peers = alone{}
	}
	f.heard = newHeard(p.Node, f.follow)
	if f.origins, f.player, err = cfg.open(symbols, p.Log); err != nil {
		return nil, fmt.Errorf("price feed: %w", err)
	}
	f.rows = make([][]said, len(f.origins))
	return f, nil
}

// Run follows the source until ctx ends, and publishes while it is this node's turn: it
// takes the lease of the cluster's publisher when nobody has it, tries again for as long
// as the bus cannot give it, and gives it back at the end. An error means that a source
// or the bus connection is beyond repair. It is called once.
func (f *Feed) Run(ctx context.Context) error {
	if len(f.origins) == 0 {
		<-ctx.Done()
		return nil
	}
	unfollow, err := f.listen()
	if err != nil {
		return err
	}
	defer unfollow()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	failures := make([]error, len(f.origins))
	parts.Go(func() { f.keepLease(ctx) })
	if f.player != nil {
		parts.Go(func() {
			if err := f.player.Run(ctx); err != nil && ctx.Err() == nil {
				f.log.Error("prices end", "source", f.cfg.Source, "err", err)
			}
		})
	}
	for i, o := range f.origins {
		if o.source != nil {
			parts.Go(func() {
				failures[i] = o.run(ctx)
				cancel()
			})
		}
	}
	failure := f.publish(ctx)
	cancel()
	parts.Wait()
	return errors.Join(append(failures, failure)...)
}

// listen hears who else publishes.
func (f *Feed) listen() (end func(), err error) {
	var subs []*bus.Subscription
	end = func() {
		for _, sub := range subs {
			f.unsubscribe(sub)
		}
	}
	for subject, take := range map[string]func(*bus.Msg){
		bus.Prices:            f.heard.tick,
		bus.PublisherAlive:    f.heard.alive,
		bus.PublisherReleased: f.heard.stopped,
	} {
		sub, err := f.bus.Subscribe(subject, take)
		if err != nil {
			end()
			return nil, fmt.Errorf("price feed: subscribe %s: %w", subject, err)
		}
		subs = append(subs, sub)
	}
	return end, nil
}

// follow takes in a tick that another node has published.
func (f *Feed) follow(tick ticker.Tick) {
	if f.history != nil {
		f.history.Add(tick)
	}
}

// run brings in what the source says.
func (o *origin) run(ctx context.Context) error {
	err := o.source.Run(ctx, o.board)
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return fmt.Errorf("price feed: %s ended", o.name)
	}
	return fmt.Errorf("price feed: %s: %w", o.name, err)
}

// Publishes reports whether this node publishes, and under which term.
func (f *Feed) Publishes() (term uint64, yes bool) {
	term = f.term.Load()
	return term, term != 0
}

// HasSource reports whether the node has a feed of its own.
func (f *Feed) HasSource() bool { return len(f.origins) > 0 }

// Ready is nil when prices flow: here or from another node. Where this node publishes, a
// tick has been published, the last one that was due as well, and some symbol is live.
// Its error says what is missing, in words for everyone.
func (f *Feed) Ready() error {
	_, publishes := f.Publishes()
	switch {
	case len(f.origins) == 0:
		return nil
	case !publishes && f.heard.publishes(readyWithin):
		return nil
	}
	if state := f.health.Load(); state != nil && *state != bus.Live {
		return fmt.Errorf("price feed: %s is %s", f.cfg.Source, *state)
	}
	switch {
	case f.counters.ticks.Load() == 0 || !publishes:
		return fmt.Errorf("price feed: %w", ErrNoTick)
	case f.failing.Load():
		return fmt.Errorf("price feed: %w", ErrUnpublished)
	}
	return nil
}
