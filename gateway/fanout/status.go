package fanout

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"tickerd/bus"
	"tickerd/ticker"
)

// status is what was told last: source, then symbol, then its state.
type status map[string]map[string]string

// Status takes a status message as it came over the bus, and sends it to
// everyone.
func (h *Hub) Status(msg []byte) error {
	var news bus.Status
	if err := json.Unmarshal(msg, &news); err != nil {
		return fmt.Errorf("%w: %w", ErrStatus, err)
	}
	if news.Type != "status" || news.Source == "" || !utf8.Valid(msg) {
		return ErrStatus
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.status == nil {
		h.status = status{}
	}
	h.status.learn(news)
	now := time.Now()
	for _, s := range h.streams {
		told := visible(news, s.view.May)
		switch {
		case len(told.Symbols) == len(news.Symbols):
			s.append(now, h.seq, false, h.composer.whole(msg))
		case len(told.Symbols) > 0:
			s.append(now, h.seq, false, h.composer.whole(encode(told)))
		}
	}
	return nil
}

// visible is what of some news may be told.
func visible(news bus.Status, may func(ticker.Symbol) bool) bus.Status {
	if may == nil {
		return news
	}
	var symbols []string
	for _, s := range news.Symbols {
		if may(ticker.Symbol(s)) {
			symbols = append(symbols, s)
		}
	}
	news.Symbols = symbols
	return news
}

func encode(news bus.Status) []byte {
	msg, err := json.Marshal(news)
	if err != nil {
		panic(err) // strings always encode
	}
	return msg
}

// ErrStatus is a status message that is none.
const ErrStatus = Error("malformed status")

func (s status) learn(news bus.Status) {
	symbols := s[news.Source]
	if symbols == nil {
		symbols = map[string]string{}
		s[news.Source] = symbols
	}
	for _, symbol := range news.Symbols {
		symbols[symbol] = news.State
	}
}

// appendStatus appends a status frame for all that may be told and is not live,
// by source and state; with live also for what has become so.
func (h *Hub) appendStatus(dst []byte, may func(ticker.Symbol) bool, live bool) []byte {
	for _, source := range slices.Sorted(maps.Keys(h.status)) {
		byState := map[string][]string{}
		for symbol, state := range h.status[source] {
			if live || state != bus.Live {
				byState[state] = append(byState[state], symbol)
			}
		}
		for _, state := range slices.Sorted(maps.Keys(byState)) {
			symbols := byState[state]
			slices.SortFunc(symbols, cmp.Compare[string])
			news := visible(bus.Status{Type: "status", Source: source, State: state, Symbols: symbols}, may)
			if len(news.Symbols) > 0 {
				dst = join(dst, h.composer.whole(encode(news)))
			}
		}
	}
	return dst
}
