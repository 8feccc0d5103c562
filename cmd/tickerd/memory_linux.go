package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseProgram has the system take back the pages of the program itself, most of which
// the start alone needed: what is used later is mapped again, from the file or what the
// system holds of it.
func releaseProgram() error {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	return eachReadOnly(maps, exe, func(start, end uintptr) error {
		if _, _, failed := unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED); failed != 0 {
			return fmt.Errorf("madvise: %w", failed)
		}
		return nil
	})
}

// eachReadOnly calls f for each range of memory, as /proc/PID/maps lists them, that is
// mapped from a file and cannot be written to.
func eachReadOnly(maps io.Reader, file string, f func(start, end uintptr) error) error {
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var start, end uintptr
		var may, path string
		// 00400000-01339000 r-xp 00000000 fe:00 1234    /usr/bin/tickerd
		if n, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &start, &end, &may); n < 3 {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
		if _, path, _ = strings.Cut(lines.Text(), "/"); "/"+path != file || strings.Contains(may, "w") {
			continue
		}
		if err := f(start, end); err != nil {
			return err
		}
	}
	return lines.Err()
}
