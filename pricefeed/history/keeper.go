package history

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tickerd/ticker"
)

const (
	// maxRows may wait for a store that does not answer; beyond, the oldest is lost to
	// a crash.
	maxRows = 2 * blockLength

	// turnEvery is the time between two blocks: those of thousands of symbols are ripe
	// at the same moment.
	turnEvery = 20 * time.Millisecond

	storeRetry  = time.Second
	lastTimeout = 5 * time.Second
)

// A keeper writes: all that is put into the streams, one after the other.
type keeper struct {
	book  *book
	store *store
	log   *slog.Logger

	wake    chan struct{} // there is a row
	fills   chan fill
	trouble rate.Sometimes

	mu   sync.Mutex
	rows []encodedRow // oldest first
}

type encodedRow struct {
	interval int
	start    int64
	data     []byte
}

// A fill is candles of a block that an exchange gave.
type fill struct {
	interval int
	symbol   ticker.Symbol
	block    int64
	candles  []ticker.Candle
	done     chan error // takes one
}

func newKeeper(b *book, s *store, log *slog.Logger) *keeper {
	return &keeper{
		book:    b,
		store:   s,
		log:     log,
		wake:    make(chan struct{}, 1),
		fills:   make(chan fill),
		trouble: rate.Sometimes{First: 1, Interval: 10 * time.Second},
	}
}

// add has a row put when its turn comes.
func (k *keeper) add(r encodedRow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.rows) == maxRows {
		k.rows = k.rows[1:]
	}
	k.rows = append(k.rows, r)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run writes until ctx ends, and then the rows that are left.
func (k *keeper) run(ctx context.Context) {
	turn := time.NewTicker(turnEvery)
	defer turn.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTimeout)
			defer cancel()
			k.complain(ctx, k.putRows(ctx))
			return
		case <-k.wake:
			err = k.putRows(ctx)
		case <-retry.C:
			err = k.putRows(ctx)
		case <-turn.C:
			err = k.turn(ctx)
		case f := <-k.fills:
			f.done <- k.merge(ctx, f.interval, f.symbol, f.block, f.candles, nil)
		}
		if err != nil {
			k.complain(ctx, err)
			retry.Reset(storeRetry)
		}
	}
}

func (k *keeper) complain(ctx context.Context, err error) {
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		k.trouble.Do(func() { k.log.Error("keep history", "err", err) })
	}
}

// putRows puts all rows that wait.
func (k *keeper) putRows(ctx context.Context) error {
	for {
		r, ok := k.first()
		if !ok {
			return nil
		}
		seq, err := k.store.putRow(ctx, r.interval, r.data)
		if err != nil {
			return err
		}
		k.book.kept(r.interval, r.start, seq)
		k.drop(r)
	}
}

func (k *keeper) first() (r encodedRow, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.rows) == 0 {
		return r, false
	}
	return k.rows[0], true
}

// drop takes away the first row, unless it has gone already.
func (k *keeper) drop(r encodedRow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if &k.rows[0].data[0] == &r.data[0] {
		k.rows = k.rows[1:]
	}
}

// turn makes a block of a page that is complete, or removes the rows of which all
// blocks were made.
func (k *keeper) turn(ctx context.Context) error {
	if p, found := k.book.ripe(); found {
		own, err := readColumn(p.data, intervals[p.interval], p.block)
		if err != nil {
			return err
		}
		if err := k.merge(ctx, p.interval, p.symbol, p.block, nil, own); err != nil {
			return err
		}
		k.book.turned(p)
		return nil
	}
	if i, before, found := k.book.trimmable(); found {
		return k.store.trimRows(ctx, i, before)
	}
	return nil
}

// merge puts candles into a block: those that come before what it has, and those that
// come after. A block that is damaged keeps what can be read of it.
func (k *keeper) merge(ctx context.Context, i int, symbol ticker.Symbol, block int64, earlier, later []ticker.Candle) error {
	kept, err := k.store.block(ctx, i, symbol, block)
	if errors.Is(err, ErrDamaged) {
		k.log.Warn("keep history", "err", err)
		err = nil
	}
	if err != nil {
		return err
	}
	return k.store.putBlock(ctx, i, symbol, block, mergeCandles(mergeCandles(earlier, kept), later))
}
