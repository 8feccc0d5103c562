package ticker

import (
	"fmt"
	"strings"
)

// maxPart bounds each half of a symbol; the longest that an exchange lists has
// some fifteen characters.
const maxPart = 32

// A Symbol names a market as BASE-QUOTE, upper-case letters and digits:
// "BTC-USD". Only ParseSymbol makes one from foreign text.
type Symbol string

// ParseSymbol reads a symbol; lower case is accepted and raised.
func ParseSymbol(s string) (Symbol, error) {
	base, quote, ok := strings.Cut(s, "-")
	if !ok || !isPart(base) || !isPart(quote) {
		return "", fmt.Errorf("%w: %q is not BASE-QUOTE (letters and digits)", ErrSymbol, clip(s))
	}
	return Symbol(strings.ToUpper(s)), nil
}

// Base is the part before the dash: "BTC".
func (s Symbol) Base() string {
	base, _, _ := strings.Cut(string(s), "-")
	return base
}

// Quote is the part after the dash: "USD".
func (s Symbol) Quote() string {
	_, quote, _ := strings.Cut(string(s), "-")
	return quote
}

// UnmarshalText is ParseSymbol, for settings.
func (s *Symbol) UnmarshalText(b []byte) error {
	parsed, err := ParseSymbol(string(b))
	*s = parsed
	return err
}

func isPart(s string) bool {
	if s == "" || len(s) > maxPart {
		return false
	}
	for i := range len(s) {
		if !isAlnum(s[i]) {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// clip shortens foreign text for an error message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
