package kraken

import (
	"tickerd/bus"
	"tickerd/pricefeed/exchange"
)

// The exchange's addresses.
const (
	URL  = "wss://ws.kraken.com/v2"
	REST = "https://api.kraken.com"
)

// Config is the table of the exchange in the settings.
type Config struct {
	// URL is the complete WebSocket address, so that something else can stand in
	// for the exchange.
	URL string `toml:"url"`
	// REST is the address before the REST paths, which give the candles of the past.
	REST string `toml:"rest"`
}

// Defaults are the settings that nothing overrides.
func Defaults() Config { return Config{URL: URL, REST: REST} }

// Validate returns a *bus.KeyError for the first key that is wrong.
func (c Config) Validate() error {
	if err := exchange.CheckWebSocket(c.URL); err != nil {
		return &bus.KeyError{Key: "url", Err: err}
	}
	if err := exchange.CheckREST(c.REST); err != nil {
		return &bus.KeyError{Key: "rest", Err: err}
	}
	return nil
}
