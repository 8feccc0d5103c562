package binance

import (
	"errors"
	"strings"

	"tickerd/bus"
	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// The exchange's addresses, for which it asks of those who want market data only.
const (
	URL  = "wss://data-stream.binance.vision/stream"
	REST = "https://data-api.binance.vision"
)

// QuoteAlias is the exchange's quote that is nearest to the US dollar.
const QuoteAlias = "USD=USDT"

// Config is the table of the exchange in the settings.
type Config struct {
	// URL is the complete WebSocket address of the combined streams, so that
	// something else can stand in for the exchange.
	URL string `toml:"url"`
	// REST is the address before the REST paths, which give the candles of the past.
	REST string `toml:"rest"`
	// QuoteAlias is OURS=THEIRS: the quote that symbols have, and that of the
	// exchange's markets which are taken for it. Empty: none.
	QuoteAlias string `toml:"quote_alias"`
}

// Defaults are the settings that nothing overrides.
func Defaults() Config { return Config{URL: URL, REST: REST, QuoteAlias: QuoteAlias} }

// Validate returns a *bus.KeyError for the first key that is wrong.
func (c Config) Validate() error {
	if err := (exchange.Addresses{URL: c.URL, REST: c.REST}).Validate(); err != nil {
		return err
	}
	if _, err := parseAlias(c.QuoteAlias); err != nil {
		return &bus.KeyError{Key: "quote_alias", Err: err}
	}
	return nil
}

// alias is a quote, and what it is called at the exchange. Without ours there is none.
type alias struct{ ours, theirs string }

func parseAlias(text string) (alias, error) {
	if text == "" {
		return alias{}, nil
	}
	ours, theirs, _ := strings.Cut(text, "=")
	// Each is one if it makes a symbol.
	if _, err := ticker.ParseSymbol(ours + "-" + theirs); err != nil {
		return alias{}, errors.New("is not OURS=THEIRS (letters and digits)")
	}
	return alias{strings.ToUpper(ours), strings.ToUpper(theirs)}, nil
}

// market is the exchange's name of a symbol: "BTCUSDT".
func (a alias) market(s ticker.Symbol) string {
	quote := s.Quote()
	if quote == a.ours {
		quote = a.theirs
	}
	return s.Base() + quote
}
