package loop

import (
	"testing"
	"time"
)

// A buffer follows what the line is seen to do when it makes room.
func TestSendBuffer(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		size            int32
		waited, between time.Duration // since it was full, and since it had room before
		trip, least     time.Duration
		want            int32
	}{
		"empties promptly":                     {size: 2 << 10, waited: 1 * ms, between: 2 * ms, trip: 1 * ms, least: 1 * ms, want: 4 << 10},
		"promptly for a long way":              {size: 2 << 10, waited: 290 * ms, between: 300 * ms, trip: 300 * ms, least: 300 * ms, want: 3413},
		"by chance, after it had nothing":      {size: 2 << 10, waited: 1 * ms, between: 180 * ms, trip: 24 * ms, least: 1 * ms, want: 2 << 10},
		"more is waiting than may":             {size: 16 << 10, waited: 100 * ms, between: 100 * ms, trip: 420 * ms, least: 10 * ms, want: 8 << 10},
		"that is not yet in the mean":          {size: 16 << 10, waited: 420 * ms, between: 420 * ms, trip: 20 * ms, least: 10 * ms, want: 8 << 10},
		"slower than any buffer suits":         {size: 2 << 10, waited: 900 * ms, between: 900 * ms, trip: 900 * ms, least: 10 * ms, want: leastBuffer},
		"fast enough for the kernel":           {size: mostBuffer / 2, waited: 1 * ms, between: 2 * ms, trip: 1 * ms, least: 1 * ms, want: 0},
		"the kernel's, and it does well":       {size: 0, waited: 10 * ms, between: 10 * ms, want: 0},
		"the kernel's, on a long way":          {size: 0, waited: 290 * ms, between: 300 * ms, trip: 300 * ms, least: 300 * ms, want: 0},
		"the kernel's, on a line now too slow": {size: 0, waited: 900 * ms, between: 900 * ms, trip: 420 * ms, least: 25 * ms, want: mostBuffer / 4},
	} {
		const now moment = 100 // soon after it began anew
		b := sendBuffer{size: c.size, full: now - moment(c.waited/ms), room: now - moment(c.between/ms)}
		if size := b.next(now, func() (trip, least time.Duration) { return c.trip, c.least }); size != c.want {
			t.Errorf("%s: %d, want %d", name, size, c.want)
		}
	}
}
