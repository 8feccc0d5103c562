package handler

import (
	"fmt"
	"runtime"

	"tickerd/bus"
)

// Config is the table [handler] of the settings.
type Config struct {
	// Workers is how many goroutines handle connections on this node, by default
	// one for each core; 0: none, others on the bus take its connections.
	Workers int `toml:"workers"`
}

const maxWorkers = 1024

// Defaults are the settings that nothing overrides.
func Defaults() Config {
	return Config{Workers: min(runtime.GOMAXPROCS(0), maxWorkers)}
}

// Validate names the first key that is wrong, with a [bus.KeyError].
func (c Config) Validate() error {
	if c.Workers < 0 || c.Workers > maxWorkers {
		return &bus.KeyError{Key: "workers", Err: fmt.Errorf("%d: must be from 0 (none) to %d", c.Workers, maxWorkers)}
	}
	return nil
}
