package pricefeed

import (
	"context"
	"errors"
	"testing"
	"time"

	"tickerd/ticker"
)

// past is a source that has candles, or fails.
type past struct {
	ending
	list  []ticker.Candle
	fails error
}

func (p past) Candles(context.Context, ticker.Symbol, time.Duration, time.Time) ([]ticker.Candle, error) {
	return p.list, p.fails
}

// The first that has something answers; a failure counts where nobody has.
func TestCandles(t *testing.T) {
	broken := errors.New("broken")
	none, one, two := past{}, past{list: make([]ticker.Candle, 1)}, past{list: make([]ticker.Candle, 2)}
	failing := past{fails: broken}
	for name, tt := range map[string]struct {
		sources []past
		want    int
		err     error
	}{
		"the first":           {[]past{two, one}, 2, nil},
		"the second":          {[]past{none, one}, 1, nil},
		"behind a failure":    {[]past{failing, one}, 1, nil},
		"a failure":           {[]past{none, failing}, 0, broken},
		"nobody has anything": {[]past{none, none}, 0, nil},
		"nobody is there":     {nil, 0, nil},
	} {
		f := &Feed{}
		for _, s := range tt.sources {
			o := newOrigin("x", nil, time.Minute, s)
			o.past = true
			f.origins = append(f.origins, o, newOrigin("y", nil, time.Minute, failing))
		}
		list, err := f.Candles(t.Context(), "A-USD", time.Minute, time.Time{})
		if len(list) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d candles, %v", name, len(list), err)
		}
	}
}

// Who lets something else stand in for an exchange does not want the exchange asked.
func TestHasPast(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   bool
	}{
		"simulator": {func(*Config) {}, false},
		"exchange":  {func(c *Config) { c.Source = SourceKraken }, true},
		"stand-in":  {func(c *Config) { c.Source, c.Kraken.URL = SourceKraken, "ws://127.0.0.1" }, false},
		"stand-in with REST": {func(c *Config) {
			c.Source, c.Kraken.URL, c.Kraken.REST = SourceKraken, "ws://127.0.0.1", "http://127.0.0.1"
		}, true},
		"one of several": {func(c *Config) { c.Source, c.Kraken.URL = SourceComposite, "ws://127.0.0.1" }, true},
	} {
		cfg := Defaults()
		tt.change(&cfg)
		f, err := New(cfg, Parts{Log: discard()})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.HasPast(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
