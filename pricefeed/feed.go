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
	"tickerd/pricefeed/coinbase"
	"tickerd/ticker"
)

// Feed publishes the prices of one source.
type Feed struct {
	cfg       Config
	node      string
	bus       *bus.Conn
	log       *slog.Logger
	symbols   []ticker.Symbol
	board     *board
	source    Source     // nil with the simulator, and without a source
	simulator *simulator // nil with an exchange, and without a source

	leases   chan *bus.Lease // from keepLease to publish
	counters counters
	health   atomic.Pointer[string] // the source's state as last told; nil: none yet
	failing  atomic.Bool            // the last tick could not be published

	// Owned by publish.
	lease     *bus.Lease
	tick      batch
	message   bus.Msg        // the last tick; its memory is used again
	told      []string       // the state of each symbol as last told; "": not yet
	news      []int          // where told has just changed
	published []ticker.Price // of each symbol; without digits: none yet
	seq       uint64         // of the last tick
	ts        int64          // of the last tick, unix µs
	trouble   rate.Sometimes
}

// New makes the feed of a node from settings that are valid. It does nothing
// before Run.
func New(cfg Config, conn *bus.Conn, node string, log *slog.Logger) (*Feed, error) {
	symbols, err := cfg.symbols()
	if err != nil {
		return nil, fmt.Errorf("price feed: %w", err)
	}
	f := &Feed{
		cfg:       cfg,
		node:      node,
		bus:       conn,
		log:       log,
		symbols:   symbols,
		leases:    make(chan *bus.Lease, 1),
		message:   bus.Msg{Subject: bus.Prices, Header: map[string][]string{bus.HeaderNode: {node}}},
		told:      make([]string, len(symbols)),
		published: make([]ticker.Price, len(symbols)),
		trouble:   rate.Sometimes{First: 1, Interval: 10 * time.Second},
	}
	switch cfg.Source {
	case SourceSimulator:
		f.board = newBoard(symbols, 0)
		f.simulator = newSimulator(symbols, cfg.Seed)
	case SourceCoinbase:
		f.board = newBoard(symbols, cfg.StaleAfter)
		f.source = coinbase.New(cfg.Coinbase.URL, symbols, log)
	case SourceNone:
	default:
		return nil, fmt.Errorf("price feed: %w", checkSource(cfg.Source))
	}
	return f, nil
}

// Run publishes until ctx ends. It takes the lease of the cluster's publisher,
// tries again for as long as the bus cannot give it, and gives it back at the
// end. An error means that the source or the bus connection is beyond repair.
// It is called once.
func (f *Feed) Run(ctx context.Context) error {
	if f.board == nil {
		<-ctx.Done()
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		parts sync.WaitGroup
		lease *bus.Lease
		err   error
	)
	parts.Go(func() { lease = f.keepLease(ctx) })
	if f.source != nil {
		parts.Go(func() {
			err = f.runSource(ctx)
			cancel()
		})
	}
	failure := f.publish(ctx)
	cancel()
	parts.Wait()
	f.release(lease)
	return errors.Join(failure, err)
}

func (f *Feed) runSource(ctx context.Context) error {
	err := f.source.Run(ctx, f.board)
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return fmt.Errorf("price feed: %s ended", f.cfg.Source)
	}
	return fmt.Errorf("price feed: %s: %w", f.cfg.Source, err)
}

// Ready is nil when prices flow: a tick has been published, the last one that
// was due as well, and some symbol is live. Its error says what is missing, in
// words for everyone.
func (f *Feed) Ready() error {
	if f.board == nil {
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
