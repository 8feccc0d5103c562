package pricefeed

import (
	"context"

	"tickerd/pricefeed/exchange"
)

// A Source brings prices in from without.
type Source interface {
	// Run puts into sink what it learns, reconnecting as often as it must, until
	// ctx ends; an earlier return is a failure.
	Run(ctx context.Context, sink exchange.Sink) error
	// Stats may be called at any time.
	Stats() exchange.Stats
}
