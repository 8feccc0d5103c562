package handler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
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
}

// New makes a handler.
func New(cfg Config, p Parts) *Handler {
	return &Handler{
		Clock:    time.Now,
		cfg:      cfg,
		bus:      p.Bus,
		policies: p.Policies,
		verifier: p.Verifier,
		catalog:  newCatalog(p.Symbols),
		metrics:  newMetrics(),
		log:      p.Log,
		ready:    make(chan struct{}),
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
	prices, err := h.bus.Subscribe(bus.Prices, h.learn)
	if err != nil {
		return fmt.Errorf("handler: %w", err)
	}
	defer h.unsubscribe(prices)

	var workers sync.WaitGroup
	defer workers.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for range h.cfg.Workers {
		w := newWorker(h)
		if err := w.open(); err != nil {
			return fmt.Errorf("handler: %w", err)
		}
		workers.Go(func() { w.run(ctx) })
	}
	switch err := h.bus.Flush(ctx); {
	case err == nil:
		close(h.ready)
	case ctx.Err() == nil:
		return fmt.Errorf("handler: %w", err)
	}
	<-ctx.Done()
	return nil
}

// learn is called with each tick, one after the other.
func (h *Handler) learn(m *bus.Msg) {
	if err := h.catalog.learn(m.Data); err != nil {
		h.log.Debug("tick not understood", "err", err)
	}
}

func (h *Handler) unsubscribe(s *bus.Subscription) {
	if err := s.Unsubscribe(); err != nil {
		h.log.Debug("unsubscribe", "subject", s.Subject, "err", err)
	}
}
