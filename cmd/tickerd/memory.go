package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage may pile up, in percent of what is in use. While many connect,
// time is dear; afterwards memory is, of which garbage would be half.
const (
	busyPercent  = 75
	quietPercent = 10

	// goPercent is what Go does by itself.
	goPercent = 100

	// busyRate, in bytes allocated a second, is where collecting that often would
	// begin to cost: 2 % of a core. A thousand ticks a second stay far below it, a
	// few hundred joins do not.
	busyRate = 4 << 20

	// quietAfter is how many seconds must pass below it.
	quietAfter = 3
)

// A memoryKeeper has the garbage collector keep the memory of a quiet process small,
// and that of a busy one out of the way.
type memoryKeeper struct {
	setPercent func(percent int)
	release    func() // gives the system what is not in use

	quiet int // seconds in a row
}

// keepMemory does so until ctx ends, unless GOGC says what to do.
func keepMemory(ctx context.Context) error {
	if _, set := os.LookupEnv("GOGC"); set {
		return nil
	}
	debug.SetGCPercent(busyPercent)
	defer debug.SetGCPercent(goPercent)
	k := memoryKeeper{
		setPercent: func(percent int) { debug.SetGCPercent(percent) },
		release: func() {
			debug.FreeOSMemory()
			_ = releaseProgram() // it is no loss where it cannot be
		},
	}
	const allocated = "/gc/heap/allocs:bytes"
	before := read(allocated)
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-seconds.C:
			now := read(allocated)
			k.second(now - before)
			before = now
		}
	}
}

// second learns how many bytes were allocated in the last one.
func (k *memoryKeeper) second(allocated uint64) {
	wasQuiet := k.quiet >= quietAfter
	if allocated > busyRate {
		k.quiet = 0
	} else {
		k.quiet++
	}
	switch isQuiet := k.quiet >= quietAfter; {
	case isQuiet && !wasQuiet:
		k.setPercent(quietPercent)
		k.release()
	case wasQuiet && !isQuiet:
		k.setPercent(busyPercent)
	}
}

// read is one of the runtime's metrics.
func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
