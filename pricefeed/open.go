package pricefeed

import (
	"log/slog"

	"tickerd/pricefeed/binance"
	"tickerd/pricefeed/coinbase"
	"tickerd/pricefeed/kraken"
	"tickerd/pricefeed/replay"
	"tickerd/ticker"
)

// open makes the origins of a feed, and its player where it has one.
func (c Config) open(symbols []ticker.Symbol, log *slog.Logger) ([]*origin, player, error) {
	switch c.Source {
	case SourceNone:
		return nil, nil, nil
	case SourceSimulator:
		return []*origin{newOrigin(c.Source, symbols, 0, nil)}, newSimulator(symbols, c.Seed), nil
	case SourceReplay:
		recording, err := replay.NewPlayer(c.Replay, symbols, c.Interval)
		if err != nil {
			return nil, nil, err
		}
		return []*origin{newOrigin(c.Source, symbols, c.StaleAfter, nil)}, recording, nil
	case SourceComposite:
		origins := make([]*origin, len(c.Composite.Sources))
		for i, name := range c.Composite.Sources {
			origins[i] = c.openExchange(name, symbols, log)
		}
		return origins, nil, nil
	}
	if err := checkSource(c.Source); err != nil {
		return nil, nil, err
	}
	return []*origin{c.openExchange(c.Source, symbols, log)}, nil, nil
}

// openExchange makes the origin of that name, which is one of exchanges. Where
// something stands in for the exchange, and nothing for its REST interface, it is not
// asked for its past.
func (c Config) openExchange(name string, symbols []ticker.Symbol, log *slog.Logger) *origin {
	var source Source
	var past bool
	switch name {
	case SourceCoinbase:
		source, past = coinbase.New(c.Coinbase, symbols, log), c.Coinbase.URL == coinbase.URL || c.Coinbase.REST != coinbase.REST
	case SourceKraken:
		source, past = kraken.New(c.Kraken, symbols, log), c.Kraken.URL == kraken.URL || c.Kraken.REST != kraken.REST
	case SourceBinance:
		source, past = binance.New(c.Binance, symbols, log), c.Binance.URL == binance.URL || c.Binance.REST != binance.REST
	}
	o := newOrigin(name, symbols, c.StaleAfter, source)
	o.past = past
	return o
}
