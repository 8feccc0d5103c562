package kraken

import (
	"log/slog"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// Name is the exchange's name in settings, status messages and logs.
const Name = "kraken"

// terms keep below the exchange's limits, which are 150 connections in ten minutes for
// an IP address, one in five seconds after a maintenance, and a rate of messages that is
// its secret. It hangs up on who is inactive for a minute. A heartbeat comes every second
// in which nothing else does, but not before there is a subscription: until then, and
// if it refuses all, the pongs are the sign of life.
func terms() exchange.Terms {
	return exchange.Terms{
		ConnectEvery: 5 * time.Second,
		MessageEvery: 500 * time.Millisecond,
		PerRequest:   200,
		Retry:        time.Second,
		Silence:      15 * time.Second,
		Ping:         `{"method":"ping"}`,
		PingEvery:    10 * time.Second,
	}
}

const requestEvery = time.Second

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
	log = log.With("source", Name)
	s := &Source{
		Client: exchange.NewClient(cfg.URL, terms, &protocol{log: log, system: online}, log),
		rest:   exchange.NewREST(cfg.REST, requestEvery),
	}
	s.Subscribe(symbols)
	return s
}
