package history

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

// History keeps the candles of one source of prices.
type History struct {
	cfg    Config
	source string
	bus    *bus.Conn // its own: nothing waits behind candles
	log    *slog.Logger
	now    func() time.Time

	collector *collector
	book      *book
	symbols   atomic.Pointer[[]ticker.Symbol] // in the configured order
	figures   figures
	outages   outages

	// Of one Run.
	ready  chan struct{} // closed when store and keeper are there, and all that was kept is in the book
	began  time.Time     // before ready
	store  *store
	keeper *keeper

	// Owned by the closer.
	closed  []closed
	message []byte
}

// New makes the history of a source, from settings that are valid. The name of the
// source is a token of a subject. conn is for the history alone.
//
// It does nothing before Run; what was added last meanwhile waits.
func New(cfg Config, source string, symbols []ticker.Symbol, conn *bus.Conn, log *slog.Logger) *History {
	h := &History{
		cfg:       cfg,
		source:    source,
		bus:       conn,
		log:       log,
		now:       time.Now,
		collector: newCollector(),
		book:      newBook(),
		outages:   outages{holes: map[ticker.Symbol]hole{}},
		ready:     make(chan struct{}),
	}
	h.SetSymbols(symbols)
	return h
}

// SetSymbols replaces the symbols of which there is a history from now on. What is kept
// of others stays until it is too old.
func (h *History) SetSymbols(symbols []ticker.Symbol) {
	slots := make(map[ticker.Symbol]int, len(symbols))
	for _, s := range symbols {
		slots[s] = h.book.slot(s)
	}
	h.collector.follow(slots)
	h.symbols.Store(&symbols)
}

// Add takes in a tick that has been published. It does not wait, and makes no garbage.
// It is safe beside everything else.
func (h *History) Add(tick ticker.Tick) { h.collector.add(tick) }

// Missed notes that prices of a symbol may have been missed from one time to another, so
// that Fill asks for them. It does not wait.
func (h *History) Missed(s ticker.Symbol, from, to time.Time) {
	h.outages.add(s, hole{from.Unix(), to.Unix() + 1})
}

// Run reads what is kept, then keeps what is added and answers on the bus, until ctx
// ends. The open second is kept as far as it came. Of all nodes one does so at a time:
// who publishes. It may be called again: what was added meanwhile, and was not kept by
// another node, is kept then, as far as it is not a minute old.
func (h *History) Run(ctx context.Context) error {
	defer h.reset()
	h.began = h.now()
	if err := h.open(ctx); err != nil {
		return nil // ctx has ended
	}
	requests := make(chan *bus.Msg, maxRequests)
	for _, subject := range []string{bus.PriceCandles, bus.PriceStats} {
		sub, err := h.bus.SubscribeQueueChan(subject, queue, requests)
		if err != nil {
			return fmt.Errorf("history: subscribe %s: %w", subject, err)
		}
		defer h.unsubscribe(sub)
	}
	var parts sync.WaitGroup
	for range answerers() {
		parts.Go(func() { h.answer(ctx, requests) })
	}
	keeping, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		h.keeper.run(keeping)
	}()
	h.close(ctx) // what it still has to keep goes to the keeper
	end()
	<-kept
	parts.Wait()
	return nil
}

// reset forgets what is read anew when Run is called again.
func (h *History) reset() {
	h.collector.leave()
	h.book.reset()
	h.figures.reset()
	h.ready = make(chan struct{})
}

// open opens the store and reads what is in memory while the program runs. It tries
// until it can, or ctx ends.
func (h *History) open(ctx context.Context) error {
	for {
		began := time.Now()
		err := h.load(ctx)
		if err == nil {
			h.book.attend(h.collector)
			h.pass()
			h.log.Info("history is read", "source", h.source, "symbols", len(*h.symbols.Load()), "in", time.Since(began).Round(time.Millisecond))
			close(h.ready)
			return nil
		}
		if ctx.Err() == nil {
			h.log.Error("open history", "err", err, "retry_in", storeRetry)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(storeRetry):
		}
	}
}

// load puts the rows into the book, and makes the open candles of them.
func (h *History) load(ctx context.Context) error {
	s, err := openStore(ctx, h.bus, h.source, h.cfg)
	if err != nil {
		return err
	}
	h.store, h.keeper = s, newKeeper(h.book, s, h.log)
	for i := range intervals {
		if err := h.loadRows(ctx, i); err != nil {
			return err
		}
	}
	if !h.book.reopen() {
		return nil
	}
	for slot := range h.book.names() {
		for i := minute; i < len(intervals); i++ {
			if err := h.rebuild(ctx, i, slot); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *History) loadRows(ctx context.Context, i int) error {
	r := new(row)
	return h.store.eachRow(ctx, i, func(seq uint64, data []byte) {
		symbols, candles, err := readRow(data, intervals[i])
		if err != nil {
			h.log.Warn("read history", "interval", intervals[i].name, "row", seq, "err", err)
		}
		if len(candles) == 0 {
			return
		}
		r.reset(candles[0].Start)
		for n, symbol := range symbols {
			r.at(h.book.slot(symbol)).Merge(candles[n])
		}
		h.book.load(i, r, seq)
	})
}

// rebuild makes a symbol's open candle of an interval of what has closed within.
func (h *History) rebuild(ctx context.Context, i, slot int) error {
	symbol, from, to := h.book.within(i, slot)
	parts, err := h.kept(ctx, i-1, symbol, slot, from, to)
	if err != nil {
		return err
	}
	whole := ticker.Candle{Start: from}
	for _, part := range parts {
		whole.Merge(part)
	}
	h.book.reform(i, slot, whole)
	return nil
}

func (h *History) unsubscribe(sub *bus.Subscription) {
	if err := sub.Unsubscribe(); err != nil {
		h.log.Debug("unsubscribe", "err", err) // the connection has ended, and all its subscriptions
	}
}
