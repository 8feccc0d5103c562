package pricefeed

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"tickerd/bus"
	"tickerd/pricefeed/coinbase"
	"tickerd/ticker"
)

// What Config.Source says.
const (
	SourceSimulator = "simulator"
	SourceCoinbase  = coinbase.Name
	SourceNone      = "none" // another node's
)

const (
	// maxSymbols keeps a tick of them all, however long their names and prices,
	// within a message of NATS, which is 1 MiB.
	maxSymbols = 4000

	minInterval   = time.Millisecond
	maxInterval   = time.Second
	minStaleAfter = 100 * time.Millisecond
	maxStaleAfter = 24 * time.Hour
)

// Config is the table [pricefeed] of the settings.
type Config struct {
	// Source is where prices come from.
	Source string `toml:"source"`
	// Symbols are always BASE-QUOTE; adapters translate. Messages have their order.
	Symbols []string `toml:"symbols"`
	// Interval is the time between two ticks.
	Interval time.Duration `toml:"interval"`
	// StaleAfter is how long a symbol is believed without word from the exchange.
	StaleAfter time.Duration `toml:"stale_after"`
	// Seed makes the simulator's prices the same at every start; 0: never the same.
	Seed int64 `toml:"seed"`

	Coinbase  ExchangeConfig  `toml:"coinbase"`
	Kraken    ExchangeConfig  `toml:"kraken"`
	Binance   BinanceConfig   `toml:"binance"`
	Composite CompositeConfig `toml:"composite"`
	Replay    ReplayConfig    `toml:"replay"`
}

// ExchangeConfig is the table of an exchange.
type ExchangeConfig struct {
	// URL is the complete WebSocket address, so that something else can stand in
	// for the exchange.
	URL string `toml:"url"`
}

// BinanceConfig is the table [pricefeed.binance].
type BinanceConfig struct {
	URL        string `toml:"url"`
	QuoteAlias string `toml:"quote_alias"`
}

// CompositeConfig is the table [pricefeed.composite].
type CompositeConfig struct {
	Sources []string `toml:"sources"`
}

// ReplayConfig is the table [pricefeed.replay].
type ReplayConfig struct {
	File  string  `toml:"file"`
	Speed float64 `toml:"speed"`
}

// Defaults are the settings that nothing overrides.
func Defaults() Config {
	return Config{
		Source:     SourceSimulator,
		Symbols:    []string{"BTC-USD", "ETH-USD", "SOL-USD"},
		Interval:   10 * time.Millisecond,
		StaleAfter: 30 * time.Second,
		Coinbase:   ExchangeConfig{URL: coinbase.URL},
	}
}

// Validate returns a *bus.KeyError for the first key that is wrong.
func (c Config) Validate() error {
	for _, check := range []struct {
		key string
		err error
	}{
		{"source", checkSource(c.Source)},
		{"symbols", c.checkSymbols()},
		{"interval", checkBetween(c.Interval, minInterval, maxInterval)},
		{"stale_after", checkBetween(c.StaleAfter, minStaleAfter, maxStaleAfter)},
		{"coinbase.url", checkURL(c.Coinbase.URL)},
		{"kraken.url", checkLater(c.Kraken.URL != "")},
		{"binance.url", checkLater(c.Binance.URL != "")},
		{"binance.quote_alias", checkLater(c.Binance.QuoteAlias != "")},
		{"composite.sources", checkLater(len(c.Composite.Sources) > 0)},
		{"replay.file", checkLater(c.Replay.File != "")},
		{"replay.speed", checkLater(c.Replay.Speed != 0)},
	} {
		if check.err != nil {
			return &bus.KeyError{Key: check.key, Err: check.err}
		}
	}
	return nil
}

func checkSource(source string) error {
	switch source {
	case SourceSimulator, SourceCoinbase, SourceNone:
		return nil
	case "kraken", "binance", "composite", "replay":
		return fmt.Errorf("%q is not supported yet: it comes with a later version", source)
	}
	return fmt.Errorf("%q is none of simulator, coinbase, none", source)
}

func (c Config) checkSymbols() error {
	symbols, err := c.symbols()
	switch {
	case err != nil:
		return err
	case len(symbols) == 0 && c.Source != SourceNone:
		return errors.New("empty: there is nothing to publish")
	case len(symbols) > maxSymbols:
		return fmt.Errorf("%d are more than %d", len(symbols), maxSymbols)
	}
	return nil
}

// symbols are Symbols, parsed and each of them once.
func (c Config) symbols() ([]ticker.Symbol, error) {
	symbols := make([]ticker.Symbol, 0, len(c.Symbols))
	seen := make(map[ticker.Symbol]bool, len(c.Symbols))
	for _, text := range c.Symbols {
		s, err := ticker.ParseSymbol(text)
		if err != nil {
			return nil, err
		}
		if seen[s] {
			return nil, fmt.Errorf("%s is listed twice", s)
		}
		seen[s] = true
		symbols = append(symbols, s)
	}
	return symbols, nil
}

func checkBetween(d, least, most time.Duration) error {
	if d < least || d > most {
		return fmt.Errorf("%v is not between %v and %v", d, least, most)
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.ParseRequestURI(text)
	switch {
	case err != nil:
		return errors.New("not an address: wss://host[:port]/path")
	case !slices.Contains([]string{"ws", "wss"}, u.Scheme):
		return fmt.Errorf("scheme %q is not ws or wss", u.Scheme)
	case u.Hostname() == "":
		return errors.New("without a host: wss://host[:port]/path")
	case u.User != nil:
		return errors.New("with a user name, which has no meaning here")
	}
	return nil
}

func checkLater(set bool) error {
	if set {
		return errors.New("not supported yet: it comes with a later version")
	}
	return nil
}
