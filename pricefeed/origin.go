package pricefeed

import (
	"context"
	"sync/atomic"
	"time"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// An origin is one source, and what it says.
type origin struct {
	name   string
	board  *board
	source Source // nil: what the feed plays by itself
	past   bool   // the source can be asked for candles

	outliers atomic.Uint64 // times that a price began to be left out

	// Owned by publish.
	told   []string // the state of each symbol as last told; "": not yet
	untold bool     // told is to be looked through, whatever the board says
	news   []int    // where told has just changed
}

func newOrigin(name string, symbols []ticker.Symbol, staleAfter time.Duration, source Source) *origin {
	return &origin{
		name:   name,
		board:  newBoard(symbols, staleAfter),
		source: source,
		told:   make([]string, len(symbols)),
		untold: true,
	}
}

// watch finds the news in the states of the symbols.
func (o *origin) watch(now time.Time) {
	o.news = o.news[:0]
	if judged := o.board.watch(now); !judged && !o.untold {
		return
	}
	o.untold = false
	if o.board.staleAfter > 0 { // what is always live is so without a word
		o.news = o.board.correct(o.told, o.news)
	}
}

// forget has all states told anew.
func (o *origin) forget() {
	clear(o.told)
	o.untold = true
}

// A player is a source whose prices the feed itself brings in, so that no two of
// its steps ever become one.
type player interface {
	// Step puts into sink what has become of the prices until now.
	Step(now time.Time, sink exchange.Sink)
	// Run does what Step needs, until ctx ends. An error is why there will be no more
	// prices.
	Run(ctx context.Context) error
}

// A market is a symbol as the feed has published it.
type market struct {
	price    ticker.Price // without digits: none yet
	lost     time.Time    // when there was last a price to publish; zero: there is one
	waits    bool         // is among the feed's waiting
	state    string       // of the composite, as last told; "": not yet
	from     sources      // as last told
	outliers sources      // as of the last verdict
}
