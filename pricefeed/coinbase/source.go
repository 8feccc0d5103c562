package coinbase

import (
	"log/slog"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// Name is the exchange's name in settings, status messages and logs.
const Name = "coinbase"

// terms keep far below the exchange's limits, which are 8 connections, 100 messages
// and 10 REST requests a second for an IP address, and hold for all nodes behind one
// address. Each product has a heartbeat a second, so that ten seconds of silence
// mean a dead connection, whatever TCP says.
func terms() exchange.Terms {
	return exchange.Terms{
		ConnectEvery: time.Second,
		MessageEvery: 100 * time.Millisecond,
		PerRequest:   250, // some 4 kB; what is "too big a message" the exchange does not say
		Retry:        time.Second,
		Silence:      10 * time.Second,
	}
}

const requestEvery = 200 * time.Millisecond

// Source is the exchange's last trades, and its candles of the past.
type Source struct {
	*exchange.Client
	rest *exchange.REST
}

// New makes a source of symbols from settings that are valid.
func New(cfg Config, symbols []ticker.Symbol, log *slog.Logger) *Source {
	return newSource(cfg, symbols, terms(), log)
}

func newSource(cfg Config, symbols []ticker.Symbol, terms exchange.Terms, log *slog.Logger) *Source {
	s := &Source{
		Client: exchange.NewClient(cfg.URL, terms, protocol{}, log.With("source", Name)),
		rest:   exchange.NewREST(cfg.REST, requestEvery),
	}
	s.Subscribe(symbols)
	return s
}
