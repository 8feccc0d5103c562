package standin

import (
	"strings"

	"tickerd/ticker"
)

// canonical is the symbol whose walk another one has: a dollar is a dollar.
func canonical(s ticker.Symbol) ticker.Symbol {
	switch s.Quote() {
	case "USDT", "USDC":
		return ticker.Symbol(s.Base() + "-USD")
	}
	return s
}

// quotes are those that Binance writes behind a base without anything between, the longer
// ones first.
var quotes = [...]string{"USDT", "USDC", "USD", "EUR", "GBP", "TRY", "BRL", "JPY", "BTC", "ETH", "BNB"}

// parted is the symbol that "BTCUSDT" means.
func parted(name string) (ticker.Symbol, bool) {
	for _, quote := range quotes {
		if base, ok := strings.CutSuffix(name, quote); ok && base != "" {
			return parsed(base + "-" + quote)
		}
	}
	return "", false
}

// parsed takes a symbol in upper case only.
func parsed(name string) (ticker.Symbol, bool) {
	s, err := ticker.ParseSymbol(name)
	return s, err == nil && string(s) == name
}
