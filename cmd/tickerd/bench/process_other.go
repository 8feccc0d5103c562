//go:build !linux && !darwin

package bench

import "time"

// maxFiles is not known here.
func maxFiles() (most uint64, known bool) { return 0, false }

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
