package history

import "time"

// The intervals, from the finest; each is made of the one before.
const (
	second = iota
	minute
	fiveMinutes // for the last 24 hours; nobody else sees it
	hour
	day
)

var intervals = [...]interval{
	second:      {"1s", 1},
	minute:      {"1m", 60},
	fiveMinutes: {"5m", 300},
	hour:        {"1h", 3600},
	day:         {"1d", 86400},
}

type interval struct {
	name   string
	length int64 // in seconds
}

// blockLength is how many intervals a block is of.
const blockLength = 512

// floor is the start of the interval that a time is in.
func (i interval) floor(unix int64) int64 { return unix - modulo(unix, i.length) }

// ceil is the end of the last interval that begins before a time.
func (i interval) ceil(unix int64) int64 { return i.floor(unix-1) + i.length }

// block is the number of the block that a time is in.
func (i interval) block(unix int64) int64 { return floorDivide(unix, i.length*blockLength) }

// begin is the start of a block.
func (i interval) begin(block int64) int64 { return block * i.length * blockLength }

func (i interval) duration() time.Duration { return time.Duration(i.length) * time.Second }

// parseInterval is the interval that a client may ask for.
func parseInterval(name string) (int, error) {
	for i, known := range intervals {
		if known.name == name && i != fiveMinutes {
			return i, nil
		}
	}
	return 0, ErrInterval
}

func floorDivide(a, b int64) int64 { return (a - modulo(a, b)) / b }

func modulo(a, b int64) int64 { return (a%b + b) % b }
