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

// Feed publishes the prices of one source, or those that several agree on.
type Feed struct {
	cfg     Config
	node    string
	bus     *bus.Conn
	history *history.History // nil: none
	log     *slog.Logger
	origins []*origin // one or, for the composite, several; none without a source
	player  player    // nil with exchanges

	leases   chan *bus.Lease      // from keepLease to publish
	lists    chan []ticker.Symbol // from Subscribe to publish
	counters counters
	health   atomic.Pointer[string] // the state as last told; nil: none yet
	failing  atomic.Bool            // the last tick could not be published

	// Owned by publish.
	symbols  []ticker.Symbol
	markets  []market // of each symbol
	lease    *bus.Lease
	waiting  []int          // symbols whose verdict may have changed
	rows     [][]said       // what each origin says of those
	verdicts []verdict      // of those
	news     []int          // of those, whose verdict has just changed
	untold   bool           // all states are to be told again
	batch    []ticker.Price // to be published, of the first that wait
	message  bus.Msg        // the last tick; its memory is used again
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
	History *history.History // takes in every tick; nil: nobody does
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
		leases:  make(chan *bus.Lease, 1),
		lists:   make(chan []ticker.Symbol, 1),
		message: bus.Msg{Subject: bus.Prices, Header: map[string][]string{bus.HeaderNode: {p.Node}}},
		trouble: rate.Sometimes{First: 1, Interval: 10 * time.Second},

		statusLog:  rate.Sometimes{First: 20, Interval: time.Second},
		outlierLog: rate.Sometimes{First: 10, Interval: time.Minute},
	}
	if f.origins, f.player, err = cfg.open(symbols, p.Log); err != nil {
		return nil, fmt.Errorf("price feed: %w", err)
	}
	f.rows = make([][]said, len(f.origins))
	return f, nil
}

// Run publishes until ctx ends. It takes the lease of the cluster's publisher,
// tries again for as long as the bus cannot give it, and gives it back at the
// end. An error means that a source or the bus connection is beyond repair.
// It is called once.
func (f *Feed) Run(ctx context.Context) error {
	if len(f.origins) == 0 {
		<-ctx.Done()
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		parts    sync.WaitGroup
		lease    *bus.Lease
		failures = make([]error, len(f.origins))
	)
	parts.Go(func() { lease = f.keepLease(ctx) })
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
	f.release(lease)
	return errors.Join(append(failures, failure)...)
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

// Ready is nil when prices flow: a tick has been published, the last one that
// was due as well, and some symbol is live. Its error says what is missing, in
// words for everyone.
func (f *Feed) Ready() error {
	if len(f.origins) == 0 {
		return nil
	}
	if state := f.health.Load(); state != nil && *state != bus.Live {
		return fmt.Errorf("price feed: %s is %s", f.cfg.Source, *state)
	}
	switch {
	case f.counters.ticks.Load() == 0:
		return fmt.Errorf("price feed: %w", ErrNoTick)
	case f.failing.Load():
		return fmt.Errorf("price feed: %w", ErrUnpublished)
	}
	return nil
}
