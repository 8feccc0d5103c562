package pricefeed

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestValidate(t *testing.T) {
	many := make([]string, maxSymbols+1)
	for i := range many {
		many[i] = fmt.Sprintf("C%d-USD", i)
	}
	for name, tt := range map[string]struct {
		change func(*Config)
		key    string // "": valid
		says   string
	}{
		"coinbase":          {func(c *Config) { c.Source = "coinbase" }, "", ""},
		"composite":         {func(c *Config) { c.Source = "composite" }, "", ""},
		"kraken":            {func(c *Config) { c.Source = "kraken" }, "", ""},
		"binance":           {func(c *Config) { c.Source = "binance" }, "", ""},
		"replay":            {func(c *Config) { c.Source = "replay" }, "", ""},
		"none":              {func(c *Config) { c.Source = "none" }, "", ""},
		"none, no symbols":  {func(c *Config) { c.Source, c.Symbols = "none", nil }, "", ""},
		"lower case":        {func(c *Config) { c.Symbols = []string{"btc-usd"} }, "", ""},
		"most symbols":      {func(c *Config) { c.Symbols = many[1:] }, "", ""},
		"shortest interval": {func(c *Config) { c.Interval = time.Millisecond }, "", ""},
		"longest interval":  {func(c *Config) { c.Interval = time.Second }, "", ""},
		"plain WebSocket":   {func(c *Config) { c.Coinbase.URL = "ws://127.0.0.1:1/a?b=c" }, "", ""},

		"no source":          {func(c *Config) { c.Source = "" }, "source", `"" is none of`},
		"unknown source":     {func(c *Config) { c.Source = "Coinbase" }, "source", `"Coinbase" is none of`},
		"no symbols":         {func(c *Config) { c.Symbols = nil }, "symbols", "empty"},
		"not a symbol":       {func(c *Config) { c.Symbols = []string{"BTC-USD", "BTCUSD"} }, "symbols", `"BTCUSD"`},
		"symbol twice":       {func(c *Config) { c.Symbols = []string{"BTC-USD", "btc-usd"} }, "symbols", "BTC-USD is listed twice"},
		"too many symbols":   {func(c *Config) { c.Symbols = many }, "symbols", "4001"},
		"bad even with none": {func(c *Config) { c.Source, c.Symbols = "none", []string{"?"} }, "symbols", `"?"`},
		"interval too short": {func(c *Config) { c.Interval = time.Millisecond - 1 }, "interval", "999.999µs"},
		"interval too long":  {func(c *Config) { c.Interval = time.Second + 1 }, "interval", "between 1ms and 1s"},
		"stale at once":      {func(c *Config) { c.StaleAfter = 0 }, "stale_after", "0s"},
		"never stale":        {func(c *Config) { c.StaleAfter = 25 * time.Hour }, "stale_after", "25h"},
		"no URL":             {func(c *Config) { c.Coinbase.URL = "" }, "coinbase.url", "not an address"},
		"HTTP":               {func(c *Config) { c.Coinbase.URL = "https://ws-feed.exchange.coinbase.com" }, "coinbase.url", `"https"`},
		"no scheme":          {func(c *Config) { c.Coinbase.URL = "ws-feed.exchange.coinbase.com" }, "coinbase.url", "not an address"},
		"no host":            {func(c *Config) { c.Coinbase.URL = "wss:///feed" }, "coinbase.url", "without a host"},
		"user in URL":        {func(c *Config) { c.Coinbase.URL = "wss://me:secret@host" }, "coinbase.url", "user name"},
		"kraken.url":         {func(c *Config) { c.Kraken.URL = "x" }, "kraken.url", ""},
		"kraken.rest":        {func(c *Config) { c.Kraken.REST = "ws://x" }, "kraken.rest", ""},
		"binance.url":        {func(c *Config) { c.Binance.URL = "" }, "binance.url", ""},
		"quote_alias":        {func(c *Config) { c.Binance.QuoteAlias = "USD" }, "binance.quote_alias", "OURS=THEIRS"},
		"replay.speed":       {func(c *Config) { c.Replay.Speed = 0 }, "replay.speed", "0 is not between"},
		"history":            {func(c *Config) { c.History.Keep1s = 0 }, "history.keep_1s", "0s is not between"},
		"no exchange":        {func(c *Config) { c.Composite.Sources = nil }, "composite.sources", "empty"},
		"unknown exchange":   {func(c *Config) { c.Composite.Sources = []string{"simulator"} }, "composite.sources", `"simulator" is none of`},
		"exchange twice":     {func(c *Config) { c.Composite.Sources = []string{"coinbase", "coinbase"} }, "composite.sources", "twice"},
		"no band":            {func(c *Config) { c.Composite.Band = 0 }, "composite.band", "0 is not above 0"},
		"band is everything": {func(c *Config) { c.Composite.Band = 1.1 }, "composite.band", "1.1"},
		"band is no number":  {func(c *Config) { c.Composite.Band = math.NaN() }, "composite.band", "NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Defaults()
			tt.change(&c)
			err := c.Validate()
			if tt.key == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			key, ok := errors.AsType[*bus.KeyError](err)
			if !ok || key.Key != tt.key || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %s: …%s…", err, tt.key, tt.says)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%v tells a secret", err)
			}
		})
	}
}

// The limit on symbols is that of a NATS message, with the longest of everything.
func TestLargestTickFitsAMessage(t *testing.T) {
	longest := ticker.Price{
		Symbol:    ticker.Symbol(strings.Repeat("A", 32) + "-" + strings.Repeat("B", 32)),
		Price:     ticker.Decimal("0." + strings.Repeat("9", 128)),
		Timestamp: -1 << 63,
	}
	if _, err := ticker.ParseSymbol(string(longest.Symbol) + "B"); err == nil {
		t.Error("there are longer symbols")
	}
	tick := ticker.Tick{Seq: 1<<64 - 1, TS: -1 << 63}
	for range maxSymbols {
		tick.Data = append(tick.Data, longest)
	}
	const headers = 1000
	if n := len(tick.AppendJSON(nil)) + headers; n > 1<<20 {
		t.Errorf("%d bytes", n)
	}
}
