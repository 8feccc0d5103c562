package pricefeed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tickerd/bus"
	"tickerd/pricefeed/binance"
	"tickerd/pricefeed/coinbase"
	"tickerd/pricefeed/history"
	"tickerd/pricefeed/kraken"
	"tickerd/pricefeed/replay"
	"tickerd/ticker"
)

// What Config.Source says.
const (
	SourceSimulator = "simulator"
	SourceCoinbase  = coinbase.Name
	SourceKraken    = kraken.Name
	SourceBinance   = binance.Name
	SourceComposite = "composite" // of several exchanges
	SourceReplay    = "replay"    // of a recording
	SourceNone      = "none"      // another node's
)

// exchanges are the sources that a composite can be made of, sources all that there are.
var (
	exchanges  = []string{SourceCoinbase, SourceKraken, SourceBinance}
	allSources = slices.Concat([]string{SourceSimulator}, exchanges, []string{SourceComposite, SourceReplay, SourceNone})
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

	Coinbase  coinbase.Config `toml:"coinbase"`
	Kraken    kraken.Config   `toml:"kraken"`
	Binance   binance.Config  `toml:"binance"`
	Composite CompositeConfig `toml:"composite"`
	Replay    replay.Config   `toml:"replay"`
	History   history.Config  `toml:"history"`
}

// CompositeConfig is the table [pricefeed.composite].
type CompositeConfig struct {
	// Sources are the exchanges.
	Sources []string `toml:"sources"`
	// Band is how far a price may be from the median, as a share of it, and count.
	Band float64 `toml:"band"`
}

// Defaults are the settings that nothing overrides.
func Defaults() Config {
	return Config{
		Source:     SourceSimulator,
		Symbols:    []string{"BTC-USD", "ETH-USD", "SOL-USD"},
		Interval:   10 * time.Millisecond,
		StaleAfter: 30 * time.Second,
		Coinbase:   coinbase.Defaults(),
		Kraken:     kraken.Defaults(),
		Binance:    binance.Defaults(),
		Composite:  CompositeConfig{Sources: slices.Clone(exchanges), Band: 0.05},
		Replay:     replay.Defaults(),
		History:    history.Defaults(),
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
		{"composite.sources", c.Composite.checkSources()},
		{"composite.band", c.Composite.checkBand()},
	} {
		if check.err != nil {
			return &bus.KeyError{Key: check.key, Err: check.err}
		}
	}
	for _, table := range []struct {
		name   string
		config interface{ Validate() error }
	}{
		{"coinbase", c.Coinbase},
		{"kraken", c.Kraken},
		{"binance", c.Binance},
		{"replay", c.Replay},
		{"history", c.History},
	} {
		if err := table.config.Validate(); err != nil {
			key, ok := errors.AsType[*bus.KeyError](err)
			if !ok {
				return &bus.KeyError{Key: table.name, Err: err}
			}
			return &bus.KeyError{Key: table.name + "." + key.Key, Err: key.Err}
		}
	}
	return nil
}

func checkSource(source string) error {
	if !slices.Contains(allSources, source) {
		return fmt.Errorf("%q is none of %s", source, strings.Join(allSources, ", "))
	}
	return nil
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

func (c CompositeConfig) checkSources() error {
	if len(c.Sources) == 0 {
		return errors.New("empty: there is nothing to make a price of")
	}
	for i, name := range c.Sources {
		switch {
		case !slices.Contains(exchanges, name):
			return fmt.Errorf("%q is none of %s", name, strings.Join(exchanges, ", "))
		case slices.Contains(c.Sources[:i], name):
			return fmt.Errorf("%s is listed twice", name)
		}
	}
	return nil
}

func (c CompositeConfig) checkBand() error {
	if !(c.Band > 0 && c.Band <= 1) {
		return fmt.Errorf("%v is not above 0 and at most 1", c.Band)
	}
	return nil
}
