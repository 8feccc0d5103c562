package standin

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tickerd/ticker"
)

// Config is how the exchanges are.
type Config struct {
	// Seed makes the prices; the same seed gives the same at the same time, also after
	// a restart.
	Seed uint64
	// Rate is how many trades there are a second of each symbol at each exchange, on
	// average, at random times.
	Rate float64
	// Unknown are symbols that no exchange knows. All others are known, whatever they are.
	Unknown []ticker.Symbol
	// Life is how long Binance lets a connection live; 0: for ever.
	Life time.Duration
	// Unlimited serves who asks too often, too.
	Unlimited bool
	// Faults are there from the beginning.
	Faults []Fault
	// Log gets what goes on; nil: nobody does.
	Log *slog.Logger
}

// Defaults are the exchanges as they are.
func Defaults() Config { return Config{Seed: 1, Rate: 5, Life: 24 * time.Hour} }

const maxRate = 1000

// Validate says what is wrong.
func (c Config) Validate() error {
	switch {
	case !(c.Rate > 0 && c.Rate <= maxRate): // nor NaN
		return fmt.Errorf("the rate must be above 0 and at most %d trades a second, not %v", maxRate, c.Rate)
	case c.Life < 0:
		return errors.New("the life of a connection must not be negative")
	}
	return nil
}
