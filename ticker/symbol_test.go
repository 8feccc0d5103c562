package ticker_test

import (
	"errors"
	"strings"
	"testing"

	"tickerd/ticker"
)

func TestParseSymbol(t *testing.T) {
	longest := strings.Repeat("A", 32) + "-" + strings.Repeat("B", 32)
	for in, want := range map[string]ticker.Symbol{
		"BTC-USD":     "BTC-USD",
		"btc-usd":     "BTC-USD",
		"1INCH-USD":   "1INCH-USD",
		"a-1":         "A-1",
		longest:       ticker.Symbol(longest),
		"":            "",
		"-":           "",
		"BTC":         "",
		"BTC-":        "",
		"-USD":        "",
		"BTC-USD-EUR": "",
		"BTC--USD":    "",
		"BTC/USD":     "",
		"BTC-USD ":    "",
		"BTC-*":       "",
		"BTC-ÜSD":     "",
		"ſTC-USD":     "", // U+017F, which raises to S
		"BTC-US\x00":  "",
		"A" + longest: "",
		longest + "B": "",
	} {
		got, err := ticker.ParseSymbol(in)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ticker.ErrSymbol) {
			t.Errorf("ParseSymbol(%q) = %q, %v; want %q", in, got, err, want)
		}
		var s ticker.Symbol
		if err := s.UnmarshalText([]byte(in)); s != want || (err == nil) != (want != "") {
			t.Errorf("UnmarshalText(%q) gave %q, %v; want %q", in, s, err, want)
		}
	}
}

func TestSymbolParts(t *testing.T) {
	s := ticker.Symbol("BTC-USD")
	if s.Base() != "BTC" || s.Quote() != "USD" {
		t.Errorf("parts of %s: %q and %q", s, s.Base(), s.Quote())
	}
}

// What is wrong is named, but a long or broken name does not flood the message.
func TestSymbolErrorIsShort(t *testing.T) {
	_, err := ticker.ParseSymbol(strings.Repeat("é", 10_000))
	if err == nil || len(err.Error()) > 300 || !strings.Contains(err.Error(), "éé") {
		t.Errorf("got %v", err)
	}
}
