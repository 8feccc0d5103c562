package replay

import (
	"fmt"

	"tickerd/bus"
)

const (
	minSpeed = 0.1
	maxSpeed = 1000
)

// Config is the table [pricefeed.replay] of the settings.
type Config struct {
	// File is the recording; empty: the one that ships.
	File string `toml:"file"`
	// Speed is how many seconds of the recording take one.
	Speed float64 `toml:"speed"`
	// Loop has the recording begin again behind its end.
	Loop bool `toml:"loop"`
}

// Defaults are the settings that nothing overrides.
func Defaults() Config { return Config{Speed: 1, Loop: true} }

// Validate returns a *bus.KeyError for the key that is wrong. It opens no file.
func (c Config) Validate() error {
	if !(c.Speed >= minSpeed && c.Speed <= maxSpeed) { // NaN is neither
		return &bus.KeyError{Key: "speed", Err: fmt.Errorf("%v is not between %v and %v", c.Speed, minSpeed, maxSpeed)}
	}
	return nil
}
