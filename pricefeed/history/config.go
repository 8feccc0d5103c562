package history

import (
	"fmt"
	"time"

	"tickerd/bus"
)

// Config is the table [pricefeed.history] of the settings.
//
// A candle takes 6 to 11 bytes on disk. What the defaults keep of 2,000 symbols that
// change every second takes some 2.5 GB, half of it the seconds, and 0.2 kB of memory
// for each of their 600,000 blocks; of three symbols, 4 MB.
type Config struct {
	// Keep1s to Keep1d say how far back candles of an interval are kept.
	Keep1s time.Duration `toml:"keep_1s"`
	Keep1m time.Duration `toml:"keep_1m"`
	Keep1h time.Duration `toml:"keep_1h"`
	Keep1d time.Duration `toml:"keep_1d"`
	// MaxCandles bounds how many of a symbol and interval are kept besides; 0: it does not.
	MaxCandles int64 `toml:"max_candles"`
}

const (
	daily = 24 * time.Hour

	// keep5m is what the last 24 hours need, and as much again for a fill.
	keep5m = 2 * daily

	// minKeep is so many intervals that what closes is seen by who looks now and then.
	minKeep = 60
	maxKeep = 100 * 365 * daily
)

// Defaults are the settings that nothing overrides.
func Defaults() Config {
	return Config{
		Keep1s: daily,
		Keep1m: 30 * daily,
		Keep1h: 2 * 365 * daily,
		Keep1d: 10 * 365 * daily,
	}
}

// Validate returns a *bus.KeyError for the first key that is wrong.
func (c Config) Validate() error {
	for _, keep := range []struct {
		key      string
		interval int
		is       time.Duration
	}{
		{"keep_1s", second, c.Keep1s},
		{"keep_1m", minute, c.Keep1m},
		{"keep_1h", hour, c.Keep1h},
		{"keep_1d", day, c.Keep1d},
	} {
		if least := minKeep * intervals[keep.interval].duration(); keep.is < least || keep.is > maxKeep {
			return &bus.KeyError{Key: keep.key, Err: fmt.Errorf("%v is not between %v and %v", keep.is, least, maxKeep)}
		}
	}
	if c.MaxCandles != 0 && c.MaxCandles < minKeep {
		return &bus.KeyError{Key: "max_candles", Err: fmt.Errorf("%d is neither 0 nor %d or more", c.MaxCandles, minKeep)}
	}
	return nil
}

// keep is how far back candles of an interval are kept.
func (c Config) keep(i int) time.Duration {
	keep := [...]time.Duration{second: c.Keep1s, minute: c.Keep1m, fiveMinutes: keep5m, hour: c.Keep1h, day: c.Keep1d}[i]
	length := intervals[i].duration()
	if c.MaxCandles > 0 && i != fiveMinutes && c.MaxCandles < int64(keep/length) {
		keep = time.Duration(c.MaxCandles) * length
	}
	return keep
}
