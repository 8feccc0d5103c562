//go:build linux || darwin

package bench

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// maxFiles is how many files this process may have open. The soft limit is raised to
// the hard one by Go itself, before main.
func maxFiles() (most uint64, known bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return min(limit.Cur, math.MaxInt64), true
}

// cpuTime is what this process has taken so far, of all cores.
func cpuTime() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
