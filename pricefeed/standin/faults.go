package standin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tickerd/ticker"
)

// A Fault is something that is wrong with an exchange, or with all of them. As text it is
// "kraken:silence", "off=5".
type Fault struct {
	Exchange string // empty: all
	Kind     string
	Value    string
}

// What becomes of messages with prices. The value is of how many; without one, of all
// until the fault is ended.
const (
	faultGarbage   = "garbage"   // something else comes in their place
	faultHalf      = "half"      // half of one comes, and then nothing any more
	faultHuge      = "huge"      // they have 2 MiB
	faultDrop      = "drop"      // the connection is dropped instead
	faultDuplicate = "duplicate" // they come twice
	faultNegative  = "negative"  // the price is below zero
	faultBackwards = "backwards" // sequence and time are before those of the message before
)

// What becomes of the exchange.
const (
	faultSilence     = "silence"     // connections stay open, and nothing comes
	faultHeartbeats  = "heartbeats"  // only those come
	faultMaintenance = "maintenance" // as the exchange does it: there are no prices, or no connections, or they are to be made anew
	faultRefuse      = "refuse"      // of connections and requests, with the status that is the value
	faultOff         = "off"         // by so many percent are prices
	faultClock       = "clock"       // is ahead by a duration, or behind
	faultDelist      = "delist"      // of a symbol
)

// faultValues say what value each kind has.
var faultValues = map[string]func(*faults, string) error{
	faultGarbage:   counted(faultGarbage),
	faultHalf:      counted(faultHalf),
	faultHuge:      counted(faultHuge),
	faultDrop:      counted(faultDrop),
	faultDuplicate: counted(faultDuplicate),
	faultNegative:  counted(faultNegative),
	faultBackwards: counted(faultBackwards),

	faultSilence:     without(func(f *faults) { f.silent = true }),
	faultHeartbeats:  without(func(f *faults) { f.priceless = true }),
	faultMaintenance: without(func(f *faults) { f.maintenance = true }),
	faultRefuse: func(f *faults, value string) (err error) {
		if f.refuse, err = strconv.Atoi(value); err != nil || f.refuse < 400 || f.refuse > 599 {
			return fmt.Errorf("%q is no status from 400 to 599", value)
		}
		return nil
	},
	faultOff: func(f *faults, value string) error {
		percent, err := strconv.ParseFloat(value, 64)
		if err != nil || !(percent > -100 && percent <= 1000) {
			return fmt.Errorf("%q is no number of percent", value)
		}
		f.shift = int64(percent * million / 100)
		return nil
	},
	faultClock: func(f *faults, value string) (err error) {
		f.clock, err = time.ParseDuration(value)
		return err
	},
	faultDelist: func(f *faults, value string) error {
		symbol, err := ticker.ParseSymbol(value)
		f.delisted = append(f.delisted, canonical(symbol))
		return err
	},
}

const million = 1_000_000

func counted(kind string) func(*faults, string) error {
	return func(f *faults, value string) error {
		n := uint64(1 << 63) // more than anybody waits for
		if value != "" {
			var err error
			if n, err = strconv.ParseUint(value, 10, 63); err != nil {
				return fmt.Errorf("%q is no number of messages", value)
			}
		}
		f.left[kind] = n
		return nil
	}
}

func without(set func(*faults)) func(*faults, string) error {
	return func(f *faults, value string) error {
		if value != "" {
			return fmt.Errorf("it has no value, and %q is given", value)
		}
		set(f)
		return nil
	}
}

// UnmarshalText reads a fault.
func (f *Fault) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	fault := Fault{Kind: text}
	if exchange, rest, ok := strings.Cut(text, ":"); ok {
		fault.Exchange, fault.Kind = exchange, rest
	}
	fault.Kind, fault.Value, _ = strings.Cut(fault.Kind, "=")
	if err := fault.validate(); err != nil {
		return err
	}
	*f = fault
	return nil
}

func (f Fault) validate() error {
	set := faultValues[f.Kind]
	switch {
	case f.Exchange != "" && !slices.Contains(exchanges, f.Exchange):
		return fmt.Errorf("%w: %q: the exchange is none of %s", ErrFault, f, strings.Join(exchanges, ", "))
	case set == nil:
		return fmt.Errorf("%w: %q: %q is none of %s", ErrFault, f, f.Kind, strings.Join(faultKinds(), ", "))
	}
	if err := set(newFaults(), f.Value); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrFault, f, err)
	}
	return nil
}

func faultKinds() []string {
	kinds := make([]string, 0, len(faultValues))
	for kind := range faultValues {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

func (f Fault) String() string {
	text := f.Kind
	if f.Exchange != "" {
		text = f.Exchange + ":" + text
	}
	if f.Value != "" {
		text += "=" + f.Value
	}
	return text
}

// faults are those of one exchange.
type faults struct {
	silent      bool
	priceless   bool
	maintenance bool
	refuse      int   // a status; 0: none
	shift       int64 // of prices, in millionths
	clock       time.Duration
	delisted    []ticker.Symbol
	left        map[string]uint64 // of how many messages a kind is
}

func newFaults() *faults { return &faults{left: map[string]uint64{}} }

// take reports whether a message is to have a fault.
func (f *faults) take(kind string) bool {
	if f.left[kind] == 0 {
		return false
	}
	f.left[kind]--
	return true
}
