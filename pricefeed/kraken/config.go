package kraken

import "tickerd/pricefeed/exchange"

// The exchange's addresses.
const (
	URL  = "wss://ws.kraken.com/v2"
	REST = "https://api.kraken.com"
)

// Config is the table of the exchange in the settings.
type Config = exchange.Addresses

// Defaults are the settings that nothing overrides.
func Defaults() Config { return Config{URL: URL, REST: REST} }
