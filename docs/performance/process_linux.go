package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// clockTicks is the unit of /proc's times, which is the same on all of Go's
// architectures.
const clockTicks = 100

// cpuTimeOf is what a process has taken so far.
func cpuTimeOf(pid int) (c cpuTime, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return c, err
	}
	return parseStat(string(text))
}

// parseStat reads /proc/PID/stat. The second field is a name, which may hold
// anything; utime and stime are the 14th and 15th.
func parseStat(text string) (c cpuTime, err error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return c, fmt.Errorf("/proc/PID/stat: %q", text)
	}
	for i, to := range []*float64{&c.UserS, &c.SystemS} {
		ticks, err := strconv.ParseUint(fields[11+i], 10, 64)
		if err != nil {
			return c, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		*to = float64(ticks) / clockTicks
	}
	return c, nil
}

// rssOf is how much memory a process has, in bytes.
func rssOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`).FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
	}
	kb, err := strconv.ParseInt(string(found[1]), 10, 64)
	return kb << 10, err
}
