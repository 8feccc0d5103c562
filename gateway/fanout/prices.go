package fanout

import (
	"fmt"
	"slices"

	"tickerd/ticker"
)

// ErrUnknownSymbol is AppendPrice's answer for a symbol without a price.
const ErrUnknownSymbol = Error("unknown symbol")

// Expect makes symbols known that are going to have a price, until they are told to be
// gone.
func (h *Hub) Expect(symbols []ticker.Symbol) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range symbols {
		h.expected[s] = struct{}{}
	}
}

// Knows reports whether there is a price of the symbol, or one is expected.
func (h *Hub) Knows(s ticker.Symbol) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.knows(s)
}

func (h *Hub) knows(s ticker.Symbol) bool {
	_, expected := h.expected[s]
	return expected || h.hasPrice(s)
}

func (h *Hub) hasPrice(s ticker.Symbol) bool {
	i, known := h.symbols.index[string(s)]
	return known && len(h.latest[i]) > 0
}

// Symbols are all of which there is a price.
func (h *Hub) Symbols() []ticker.Symbol {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.symbols.names), func(s ticker.Symbol) bool { return !h.hasPrice(s) })
}

// AppendPrice appends the newest element of one symbol.
func (h *Hub) AppendPrice(dst []byte, s ticker.Symbol) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.hasPrice(s) {
		return dst, ErrUnknownSymbol
	}
	return append(dst, h.latest[h.symbols.index[string(s)]]...), nil
}

// AppendPrices appends {"seq":…,"ts":…,"data":[…]} with all that sees lets through.
func (h *Hub) AppendPrices(dst []byte, sees func(ticker.Symbol) bool) []byte {
	seen := h.known().seen(sees)
	h.mu.Lock()
	defer h.mu.Unlock()
	dst = fmt.Appendf(dst, `{"seq":%d,"ts":%d,"data":[`, h.seq, h.ts)
	var c composer
	return c.compose(h.latest, seen, seen).appendTo(dst)
}

// known is the symbols so far.
func (h *Hub) known() *symbols {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.symbols
}
