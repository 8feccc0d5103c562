package fanout

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"tickerd/bus"
)

// status is what is not live: source, then symbol, then its state.
type status map[string]map[string]string

// Status takes a status message as it came over the bus, and sends it to
// everyone.
func (h *Hub) Status(msg []byte) error {
	var news bus.Status
	if err := json.Unmarshal(msg, &news); err != nil {
		return fmt.Errorf("%w: %w", ErrStatus, err)
	}
	if news.Type != "status" || news.Source == "" {
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
		s.append(now, h.seq, false, h.composer.whole(msg))
	}
	return nil
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
		if news.State == bus.Live {
			delete(symbols, symbol)
		} else {
			symbols[symbol] = news.State
		}
	}
}

// AppendTroubles appends a status frame for all that is not live, by source and
// state.
func (h *Hub) AppendTroubles(dst []byte) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, source := range slices.Sorted(maps.Keys(h.status)) {
		byState := map[string][]string{}
		for symbol, state := range h.status[source] {
			byState[state] = append(byState[state], symbol)
		}
		for _, state := range slices.Sorted(maps.Keys(byState)) {
			symbols := byState[state]
			slices.SortFunc(symbols, cmp.Compare[string])
			msg, err := json.Marshal(bus.Status{Type: "status", Source: source, State: state, Symbols: symbols})
			if err != nil {
				continue // strings always encode
			}
			dst = join(dst, h.composer.whole(msg))
		}
	}
	return dst
}
