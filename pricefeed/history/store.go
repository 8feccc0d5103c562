package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tickerd/bus"
	"tickerd/ticker"
)

// A store is the streams, as far as they are of one source of prices.
type store struct {
	source string
	rows   *bus.Stream
	blocks [len(intervals)]*bus.Stream
	holes  *bus.Stream
	index  *index
}

func openStore(ctx context.Context, conn *bus.Conn, source string, cfg Config) (s *store, err error) {
	s = &store{source: source, index: newIndex(cfg)}
	if s.rows, err = conn.OpenStream(ctx, bus.StreamConfig{Name: "HISTORY_ROWS", Subjects: []string{"history.*.rows.>"}}); err != nil {
		return nil, err
	}
	if s.holes, err = conn.OpenStream(ctx, bus.StreamConfig{Name: "HISTORY_HOLES", Subjects: []string{"history.*.holes.>"}, PerKey: 1}); err != nil {
		return nil, err
	}
	for i, interval := range intervals {
		s.blocks[i], err = conn.OpenStream(ctx, bus.StreamConfig{
			Name:     "HISTORY_" + interval.name,
			Subjects: []string{"history.*." + interval.name + ".>"},
			MaxAge:   cfg.keep(i),
			PerKey:   1,
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) rowSubject(i int) string { return "history." + s.source + ".rows." + intervals[i].name }

func (s *store) blockSubject(i int, symbol ticker.Symbol, block int64) string {
	return "history." + s.source + "." + intervals[i].name + "." + string(symbol) + "." + strconv.FormatInt(block, 10)
}

func (s *store) holesSubject(symbol ticker.Symbol) string {
	return "history." + s.source + ".holes." + string(symbol)
}

// putRow keeps a row, and returns its number.
func (s *store) putRow(ctx context.Context, i int, data []byte) (seq uint64, err error) {
	return s.rows.Put(ctx, s.rowSubject(i), data)
}

// trimRows removes the rows of an interval that are numbered below before.
func (s *store) trimRows(ctx context.Context, i int, before uint64) error {
	return s.rows.Trim(ctx, s.rowSubject(i), before)
}

// eachRow calls f with the rows of an interval, in the order in which they were put.
func (s *store) eachRow(ctx context.Context, i int, f func(seq uint64, data []byte)) error {
	for from := uint64(1); ; {
		seq, data, err := s.rows.Next(ctx, s.rowSubject(i), from)
		if errors.Is(err, bus.ErrNotKept) {
			return nil
		}
		if err != nil {
			return err
		}
		f(seq, data)
		from = seq + 1
	}
}

// block is the candles of a block: none where it is not kept. What can be read of one
// that is damaged comes with ErrDamaged.
func (s *store) block(ctx context.Context, i int, symbol ticker.Symbol, block int64) ([]ticker.Candle, error) {
	data, err := s.blocks[i].Last(ctx, s.blockSubject(i, symbol, block))
	if errors.Is(err, bus.ErrNotKept) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	candles, err := readColumn(data, intervals[i], block)
	if err != nil {
		err = fmt.Errorf("%s: %w", s.blockSubject(i, symbol, block), err)
	}
	return candles, err
}

// putBlock replaces a block. One goroutine does.
func (s *store) putBlock(ctx context.Context, i int, symbol ticker.Symbol, block int64, candles []ticker.Candle) error {
	_, err := s.blocks[i].Put(ctx, s.blockSubject(i, symbol, block), newColumn(intervals[i], candles).data)
	if err == nil {
		s.index.add(series{i, symbol}, block)
	}
	return err
}

// numbers are those of a series' blocks, ascending, and of some that are too old.
func (s *store) numbers(ctx context.Context, i int, symbol ticker.Symbol) ([]int64, error) {
	for {
		numbers, changes, known := s.index.get(series{i, symbol})
		if known {
			return numbers, nil
		}
		prefix := strings.TrimSuffix(s.blockSubject(i, symbol, 0), "0")
		subjects, err := s.blocks[i].Subjects(ctx, prefix+"*")
		if err != nil {
			return nil, err
		}
		for _, subject := range subjects {
			number, err := strconv.ParseInt(strings.TrimPrefix(subject, prefix), 10, 64)
			if err == nil { // another's is none of ours
				numbers = append(numbers, number)
			}
		}
		slices.Sort(numbers)
		s.index.set(series{i, symbol}, numbers, changes)
	}
}

// getHoles is what is kept of a symbol's holes, nil if nothing is.
func (s *store) getHoles(ctx context.Context, symbol ticker.Symbol) (holes, error) {
	data, err := s.holes.Last(ctx, s.holesSubject(symbol))
	if errors.Is(err, bus.ErrNotKept) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var h holes
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", s.holesSubject(symbol), ErrDamaged, err)
	}
	return h, nil
}

func (s *store) putHoles(ctx context.Context, symbol ticker.Symbol, h holes) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = s.holes.Put(ctx, s.holesSubject(symbol), data)
	return err
}
