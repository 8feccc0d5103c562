package fanout

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"tickerd/bus"
	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// ErrStatus is a status message that is none.
const ErrStatus = Error("malformed status")

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
	return h.append(func() error {
		h.tell(news, msg)
		return nil
	})
}

// tell sends some news, which are encoded as msg, to all that may know them.
func (h *Hub) tell(news bus.Status, msg []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = h.status.with(news)
	h.dropSnapshots()
	for _, s := range h.streams {
		switch told := visible(news, s.may); {
		case len(told.Symbols) == len(news.Symbols):
			h.batch.status(s, h.seq, whole(msg))
		case len(told.Symbols) > 0:
			h.batch.status(s, h.seq, whole(encode(told)))
		}
	}
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

// status is what was told last. It never changes: after the next news there is a
// new one. Nil is before the first.
type status struct {
	states map[string]map[string]string // source, then symbol, then its state
	all    []bus.Status                 // the same by source and state, in order
}

// with is s after some news.
func (s *status) with(news bus.Status) *status {
	next := &status{states: map[string]map[string]string{}}
	if s != nil {
		next.states = maps.Clone(s.states)
	}
	symbols := map[string]string{}
	maps.Copy(symbols, next.states[news.Source])
	for _, symbol := range news.Symbols {
		symbols[symbol] = news.State
	}
	next.states[news.Source] = symbols
	for _, source := range slices.Sorted(maps.Keys(next.states)) {
		next.all = append(next.all, byState(source, next.states[source])...)
	}
	return next
}

// byState is a source's symbols in one status for each state.
func byState(source string, states map[string]string) (list []bus.Status) {
	symbols := map[string][]string{}
	for _, symbol := range slices.Sorted(maps.Keys(states)) {
		state := states[symbol]
		symbols[state] = append(symbols[state], symbol)
	}
	for _, state := range slices.Sorted(maps.Keys(symbols)) {
		list = append(list, bus.Status{Type: "status", Source: source, State: state, Symbols: symbols[state]})
	}
	return list
}

// appendTo appends a frame for each source and state of what may be told and is not
// live; with live also for what is.
func (s *status) appendTo(dst []byte, may func(ticker.Symbol) bool, live bool) []byte {
	if s == nil {
		return dst
	}
	for _, news := range s.all {
		if news.State == bus.Live && !live {
			continue
		}
		if told := visible(news, may); len(told.Symbols) > 0 {
			dst = frame.AppendText(dst, encode(told))
		}
	}
	return dst
}
