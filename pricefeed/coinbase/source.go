package coinbase

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// Name is the exchange's name in settings, status messages and logs.
const Name = "coinbase"

// URL is the exchange's address.
const URL = "wss://ws-feed.exchange.coinbase.com"

// terms keep far below the exchange's limits, which are 8 connections and 100
// messages a second for an IP address, and hold for all nodes behind one
// address. Each product has a heartbeat a second, so that ten seconds of silence
// mean a dead connection, whatever TCP says.
func terms() exchange.Terms {
	return exchange.Terms{
		ConnectEvery: time.Second,
		MessageEvery: 100 * time.Millisecond,
		Retry:        time.Second,
		Silence:      10 * time.Second,
	}
}

// Source is the exchange's last trades. Its products are named as tickerd names
// symbols.
type Source struct {
	client  *exchange.Client
	symbols []ticker.Symbol
	log     *slog.Logger
	warn    rate.Sometimes

	// Owned by talk.
	markets map[string]*market
}

// New makes a source of symbols from the feed at url.
func New(url string, symbols []ticker.Symbol, log *slog.Logger) *Source {
	return newSource(url, symbols, terms(), log)
}

func newSource(url string, symbols []ticker.Symbol, terms exchange.Terms, log *slog.Logger) *Source {
	log = log.With("source", Name)
	s := &Source{
		client:  exchange.NewClient(url, terms, log),
		symbols: symbols,
		log:     log,
		warn:    rate.Sometimes{First: 10, Interval: time.Minute},
		markets: make(map[string]*market, len(symbols)),
	}
	for _, symbol := range symbols {
		s.markets[string(symbol)] = &market{symbol: symbol}
	}
	return s
}

// Run feeds sink until ctx ends, and returns nil.
func (s *Source) Run(ctx context.Context, sink exchange.Sink) error {
	return s.client.Run(ctx, sink, func(ctx context.Context, c *exchange.Conn) error {
		return s.talk(ctx, c, sink)
	})
}

// Stats may be called at any time.
func (s *Source) Stats() exchange.Stats { return s.client.Stats() }

func (s *Source) talk(ctx context.Context, c *exchange.Conn, sink exchange.Sink) error {
	for _, m := range s.markets {
		m.reconnected()
	}
	// The exchange hangs up on who has not subscribed within five seconds.
	if err := s.subscribe(ctx, c); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for {
		msg, err := c.Read(ctx)
		if err != nil {
			return err
		}
		f, err := Decode(msg)
		if err != nil {
			c.Bad(msg, err)
			continue
		}
		if !s.handle(f, time.Now(), sink) {
			c.Outdated()
		}
	}
}

func (s *Source) subscribe(ctx context.Context, c *exchange.Conn) error {
	request, err := json.Marshal(struct {
		Type     string          `json:"type"`
		Products []ticker.Symbol `json:"product_ids"`
		Channels []string        `json:"channels"`
	}{"subscribe", s.symbols, []string{TypeTicker, TypeHeartbeat}})
	if err != nil {
		return err
	}
	return c.Write(ctx, request)
}

// handle puts what f says into sink, and reports whether it was news.
func (s *Source) handle(f Frame, now time.Time, sink exchange.Sink) bool {
	switch f.Type {
	case TypeTicker:
		m := s.markets[f.Product]
		if m == nil {
			return true // not asked for
		}
		p, newer := m.price(f, now)
		if newer {
			sink.Price(p)
		}
		return newer
	case TypeHeartbeat:
		if m := s.markets[f.Product]; m != nil && !m.refused {
			sink.Market(m.symbol, true)
		}
	case TypeSubscriptions:
		s.subscribed(f.Served, sink)
	case TypeError:
		s.complaint(f.Reason, sink)
	}
	return true
}

// subscribed takes the list of all products that are subscribed: one that is
// not in it has been refused, whatever else was said.
func (s *Source) subscribed(served []string, sink exchange.Sink) {
	listed := make(map[string]bool, len(served))
	for _, product := range served {
		listed[product] = true
	}
	for _, symbol := range s.symbols {
		m := s.markets[string(symbol)]
		if listed[string(symbol)] {
			m.refused = false // a price or heartbeat will show that it is served
		} else {
			s.refuse(m, "not among the subscriptions", sink)
		}
	}
}

// complaint takes an error, which concerns the products that it names. One that
// names none is only logged: if it was about everything, silence follows.
func (s *Source) complaint(reason string, sink exchange.Sink) {
	s.warn.Do(func() { s.log.Warn("the exchange reports an error", "reason", fmt.Sprintf("%.200q", reason)) })
	for name := range strings.FieldsFuncSeq(reason, isNoSymbol) {
		if m := s.markets[name]; m != nil {
			s.refuse(m, reason, sink)
		}
	}
}

func (s *Source) refuse(m *market, reason string, sink exchange.Sink) {
	if m.refused {
		return
	}
	m.refused = true
	s.log.Error("the exchange does not serve a symbol", "symbol", m.symbol, "reason", fmt.Sprintf("%.200q", reason))
	sink.Market(m.symbol, false)
}

// isNoSymbol reports whether r is not part of a product's name.
func isNoSymbol(r rune) bool {
	return (r < 'A' || 'Z' < r) && (r < '0' || '9' < r) && r != '-'
}
