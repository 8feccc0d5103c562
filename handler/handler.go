package handler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/ticker"
)

// Parts are what a handler is made of besides its settings.
type Parts struct {
	Bus      *bus.Conn
	Policies *auth.Policies
	Verifier Verifier        // reads the token of a refresh
	Symbols  []ticker.Symbol // those that exist before their first price
	Log      *slog.Logger
}

// Verifier reads a token: an [auth.Verifier], or an [auth.Signer], which does not
// know what was revoked.
type Verifier interface {
	Verify(raw string) (auth.Token, error)
}

// A Handler holds connections and answers their messages. Make one with New and
// let it live with Run.
type Handler struct {
	// Clock tells the time. It may be replaced before Run.
	Clock func() time.Time

	cfg      Config
	bus      *bus.Conn
	policies *auth.Policies
	verifier Verifier
	catalog  *catalog
	metrics  *metrics
	log      *slog.Logger
	ready    chan struct{}
	touched  chan struct{} // asks for all symbols anew
	held     atomic.Int64

	mu      sync.Mutex
	workers []*worker
}

// New makes a handler.
func New(cfg Config, p Parts) *Handler {
	h := &Handler{
		Clock:    time.Now,
		cfg:      cfg,
		bus:      p.Bus,
		policies: p.Policies,
		verifier: p.Verifier,
		catalog:  newCatalog(p.Symbols),
		log:      p.Log,
		ready:    make(chan struct{}),
		touched:  make(chan struct{}, 1),
	}
	h.metrics = newMetrics(h.Held)
	return h
}

// Touch tells whether this node is in touch with the others. When it is again, it asks
// which symbols have appeared meanwhile.
func (h *Handler) Touch(in bool) {
	if in {
		ring(h.touched)
	}
}

// Held is how many connections, of any node, are held.
func (h *Handler) Held() int { return int(h.held.Load()) }

// Gone has the connections of a node let go of that is no more. It does not wait. Should
// the node come back, they find a handler again with their next message.
func (h *Handler) Gone(node string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.workers {
		w.forsake(node)
	}
}

// Ready is closed when connections are taken.
func (h *Handler) Ready() <-chan struct{} { return h.ready }

// Run takes connections until ctx ends. Then it lets go of all, whereupon their
// gateways look for another handler, and returns when what was sent to it before
// is answered.
func (h *Handler) Run(ctx context.Context) error {
	if h.cfg.Workers == 0 {
		close(h.ready)
		<-ctx.Done()
		return nil
	}
	news := h.bus.NewInbox()
	defer news.Close()
	for _, subject := range []string{bus.Prices, bus.StatusNews} {
		sub, err := news.Subscribe(subject)
		if err != nil {
			return fmt.Errorf("handler: subscribe %s: %w", subject, err)
		}
		defer h.unsubscribe(sub)
	}

	var workers sync.WaitGroup
	defer workers.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	workers.Go(func() { h.follow(ctx, news) })
	for range h.cfg.Workers {
		w := newWorker(h)
		if err := w.open(); err != nil {
			return fmt.Errorf("handler: %w", err)
		}
		h.enlist(w)
		workers.Go(func() { w.run(ctx) })
	}
	workers.Go(func() { h.inquire(ctx) })
	switch err := h.bus.Flush(ctx); {
	case err == nil:
		close(h.ready)
	case ctx.Err() == nil:
		return fmt.Errorf("handler: %w", err)
	}
	<-ctx.Done()
	return nil
}

// enlist has a worker hear of nodes that are gone.
func (h *Handler) enlist(w *worker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.workers = append(h.workers, w)
}

const (
	askTimeout = 5 * time.Second
	askPause   = time.Second // after a failure; it doubles up to
	longestAsk = 30 * time.Second
)

// inquire asks the publisher for all symbols: not all are in the next tick. It tries
// until it is told some, and again when the node is in touch again.
func (h *Handler) inquire(ctx context.Context) {
	pause := askPause
	for {
		again := time.After(pause)
		if err := h.ask(ctx); err != nil {
			pause = min(2*pause, longestAsk)
		} else {
			again, pause = nil, askPause
		}
		select {
		case <-ctx.Done():
			return
		case <-h.touched:
			pause = askPause
		case <-again:
		}
	}
}

func (h *Handler) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var snapshot []byte
	if err := h.bus.Request(ctx, bus.PriceSnapshot, struct{}{}, &snapshot); err != nil {
		return err
	}
	return h.catalog.learn(snapshot)
}

// ring wakes who waits at a channel that holds one.
func ring(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// follow takes in the news of the publisher until ctx ends, in the order in which it told
// them: no tick that came before a symbol was gone makes it known again.
func (h *Handler) follow(ctx context.Context, news *bus.Inbox) {
	for m := news.Next(ctx.Done()); m != nil; m = news.Next(ctx.Done()) {
		take := h.catalog.learn
		if m.Subject == bus.StatusNews {
			take = h.catalog.forget
		}
		if err := take(m.Data); err != nil {
			h.log.Debug("publisher not understood", "subject", m.Subject, "err", err)
		}
	}
}

func (h *Handler) unsubscribe(s *bus.Subscription) {
	if err := s.Unsubscribe(); err != nil {
		h.log.Debug("unsubscribe", "subject", s.Subject, "err", err)
	}
}
