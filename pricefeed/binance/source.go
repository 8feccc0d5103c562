package binance

import (
	"log/slog"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// Name is the exchange's name in settings, status messages and logs.
const Name = "binance"

// terms keep below the exchange's limits: 300 connections in five minutes for an IP
// address; of a connection 24 hours, 1024 streams, and five messages a second, pongs
// included. The names of fifty streams, however long, are less than the 4096 bytes that
// it reads. Markets in which nobody trades send nothing: what shows that the exchange is
// there is its answer to a request for what we know.
func terms() exchange.Terms {
	return exchange.Terms{
		ConnectEvery:  2 * time.Second,
		MessageEvery:  500 * time.Millisecond,
		PerRequest:    50,
		PerConnection: 500,
		Lifetime:      23 * time.Hour,
		Retry:         time.Second,
		Silence:       30 * time.Second,
		Ping:          `{"method":"GET_PROPERTY","params":["combined"],"id":0}`,
		PingEvery:     20 * time.Second,
	}
}

// requestEvery is far from the limit, which is 3,000 such requests a minute.
const requestEvery = 200 * time.Millisecond

// Source is the exchange's last trades, and its candles of the past.
type Source struct {
	*exchange.Client
	rest  *exchange.REST
	alias alias
}

// New makes a source of symbols from settings that are valid.
func New(cfg Config, symbols []ticker.Symbol, log *slog.Logger) *Source {
	return newSource(cfg, symbols, terms(), log)
}

func newSource(cfg Config, symbols []ticker.Symbol, terms exchange.Terms, log *slog.Logger) *Source {
	quotes, _ := parseAlias(cfg.QuoteAlias) // which is valid
	s := &Source{
		Client: exchange.NewClient(cfg.URL, terms, &protocol{alias: quotes}, log.With("source", Name)),
		rest:   exchange.NewREST(cfg.REST, requestEvery),
		alias:  quotes,
	}
	s.Subscribe(symbols)
	return s
}
