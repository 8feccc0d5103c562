package fanout

import (
	"fmt"
	"slices"

	"tickerd/ticker"
)

// ErrUnknownSymbol is AppendPrice's answer for a symbol without a price.
const ErrUnknownSymbol = Error("unknown symbol")

// Knows reports whether there was a price of the symbol.
func (h *Hub) Knows(s ticker.Symbol) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, known := h.symbols.index[string(s)]
	return known
}

// Symbols are all of which there was a price.
func (h *Hub) Symbols() []ticker.Symbol { return slices.Clone(h.known().names) }

// AppendPrice appends the newest element of one symbol.
func (h *Hub) AppendPrice(dst []byte, s ticker.Symbol) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, known := h.symbols.index[string(s)]
	if !known {
		return dst, ErrUnknownSymbol
	}
	return append(dst, h.latest[i]...), nil
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
