package pricefeed

import (
	"context"
	"slices"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// A Source brings prices in from without.
type Source interface {
	// Run puts into sink what it learns, reconnecting as often as it must, until
	// ctx ends; an earlier return is a failure.
	Run(ctx context.Context, sink exchange.Sink) error
	// Subscribe replaces the symbols that are wanted. A connection that there is
	// follows. It does not wait, and may be called at any time.
	Subscribe(symbols []ticker.Symbol)
	// Candles asks the exchange for the candles of an interval that begin at from or
	// later, the oldest first: as many as it gives at once.
	Candles(ctx context.Context, s ticker.Symbol, interval time.Duration, from time.Time) ([]ticker.Candle, error)
	// Stats may be called at any time.
	Stats() exchange.Stats
}

// HasPast reports whether there is somebody who can be asked for candles.
func (f *Feed) HasPast() bool {
	return slices.ContainsFunc(f.origins, func(o *origin) bool { return o.past })
}

// Candles asks the exchanges, one after the other, until one of them gives candles; it
// is a [Source]'s.
func (f *Feed) Candles(ctx context.Context, s ticker.Symbol, interval time.Duration, from time.Time) (list []ticker.Candle, err error) {
	for _, o := range f.origins {
		if !o.past {
			continue
		}
		if list, err = o.source.Candles(ctx, s, interval, from); len(list) > 0 || ctx.Err() != nil {
			return list, err
		}
	}
	return nil, err
}
