package fanout

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"tickerd/bus"
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
	if !isStatus(news) || !utf8.Valid(msg) {
		return ErrStatus
	}
	return h.append(func() error {
		h.tell(news, msg)
		return nil
	})
}

func isStatus(news bus.Status) bool { return news.Type == "status" && news.Source != "" }

// States takes all that the publisher says of its sources, a list of statuses as it came
// over the bus, and sends to everyone what of it is news.
func (h *Hub) States(msg []byte) error {
	var all []bus.Status
	if err := json.Unmarshal(msg, &all); err != nil {
		return fmt.Errorf("%w: %w", ErrStatus, err)
	}
	if !utf8.Valid(msg) || slices.ContainsFunc(all, func(s bus.Status) bool { return !isStatus(s) }) {
		return ErrStatus
	}
	return h.append(func() error {
		for _, said := range all {
			if news := h.newsOf(said); len(news.Symbols) > 0 {
				h.tell(news, encode(news))
			}
		}
		return nil
	})
}

// newsOf is what was said, of the symbols of which something else was said before; that
// a symbol is live goes without saying.
func (h *Hub) newsOf(said bus.Status) bus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	var before map[string]standing
	if h.status != nil {
		before = h.status.symbols[said.Source]
	}
	said.Symbols = slices.DeleteFunc(said.Symbols, func(symbol string) bool {
		now, known := before[symbol]
		switch {
		case known:
			return !said.Gone && now == standingOf(said)
		case said.Gone:
			return !h.knows(ticker.Symbol(symbol))
		}
		return said.State == bus.Live && said.Sources == nil
	})
	return said
}

// tell sends some news, which are encoded as msg, to all that may know them.
func (h *Hub) tell(news bus.Status, msg []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = h.status.with(news)
	h.dropSnapshots()
	if news.Gone {
		h.forget(news.Symbols)
	}
	for _, s := range h.streams {
		switch told := visible(news, s.may); {
		case len(told.Symbols) == len(news.Symbols):
			h.batch.status(s, h.seq, whole(msg))
		case len(told.Symbols) > 0:
			h.batch.status(s, h.seq, whole(encode(told)))
		}
	}
}

// forget takes away the prices of symbols that are gone, and expects none. Nobody can
// resume from before that, who may not know of it.
func (h *Hub) forget(symbols []string) {
	for _, symbol := range symbols {
		delete(h.expected, ticker.Symbol(symbol))
		if i, known := h.symbols.index[symbol]; known {
			h.latest[i] = h.latest[i][:0]
		}
	}
	h.history = history{floor: h.seq}
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
	symbols map[string]map[string]standing // source, then symbol
	all     []bus.Status                   // the same by source and standing, in order
}

// A standing is what was said of a symbol.
type standing struct {
	state, partOf string
	sources       string // with commas between
}

func standingOf(news bus.Status) standing {
	return standing{news.State, news.PartOf, strings.Join(news.Sources, ",")}
}

// compare puts standings in order.
func (s standing) compare(other standing) int {
	return cmp.Or(strings.Compare(s.state, other.state), strings.Compare(s.partOf, other.partOf), strings.Compare(s.sources, other.sources))
}

// status is what was said, of some symbols of a source.
func (s standing) status(source string, symbols []string) bus.Status {
	said := bus.Status{Type: "status", Source: source, State: s.state, Symbols: symbols, PartOf: s.partOf}
	if s.sources != "" {
		said.Sources = strings.Split(s.sources, ",")
	}
	return said
}

// with is s after some news: what they say of a source's symbols replaces what was
// said of them before. Of those that are gone nothing stays.
func (s *status) with(news bus.Status) *status {
	next := &status{symbols: map[string]map[string]standing{}}
	if s != nil {
		next.symbols = maps.Clone(s.symbols)
	}
	symbols := map[string]standing{}
	maps.Copy(symbols, next.symbols[news.Source])
	for _, symbol := range news.Symbols {
		if news.Gone {
			delete(symbols, symbol)
		} else {
			symbols[symbol] = standingOf(news)
		}
	}
	next.symbols[news.Source] = symbols
	for _, source := range slices.Sorted(maps.Keys(next.symbols)) {
		next.all = append(next.all, byStanding(source, next.symbols[source])...)
	}
	return next
}

// byStanding is a source's symbols in one status for each standing.
func byStanding(source string, all map[string]standing) (list []bus.Status) {
	symbols := map[standing][]string{}
	for _, symbol := range slices.Sorted(maps.Keys(all)) {
		symbols[all[symbol]] = append(symbols[all[symbol]], symbol)
	}
	for _, s := range slices.SortedFunc(maps.Keys(symbols), standing.compare) {
		list = append(list, s.status(source, symbols[s]))
	}
	return list
}

// appendTo appends a frame for each source and standing of what may be told, and is not
// live or stands on several sources; with live for everything.
func (s *status) appendTo(dst []byte, e Encoding, may func(ticker.Symbol) bool, live bool) []byte {
	if s == nil {
		return dst
	}
	for _, news := range s.all {
		if news.State == bus.Live && news.Sources == nil && !live {
			continue
		}
		if told := visible(news, may); len(told.Symbols) > 0 {
			dst = whole(encode(told)).appendFrame(dst, e, origin{})
		}
	}
	return dst
}
