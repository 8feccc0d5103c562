package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A kernelLimit is one that many connections need higher.
type kernelLimit struct {
	name  string   // as sysctl has it
	least []uint64 // what each number of it must be
}

// limitsFor are those of the whole machine that so many connections, of which both ends
// are here, need. A socket that has once sent something counts for a page. The table in
// which each packet's socket is looked up is of a network that is made while this is set:
// with as many places as sockets, a look passes hardly any other; in the default one it
// passes four of two million.
func limitsFor(conns int) []kernelLimit {
	n := uint64(conns)
	return []kernelLimit{
		{"fs.file-max", []uint64{2*n + 500_000}},
		{"net.ipv4.tcp_mem", []uint64{2 * n, 3 * n, 4 * n}},
		{"net.ipv4.tcp_max_orphans", []uint64{n / 4}},
		{"net.ipv4.tcp_child_ehash_entries", []uint64{2 * n}},
	}
}

// raise raises limits that are too low, says so, and gives what puts them back.
func raise(limits []kernelLimit) (restore func() error, err error) {
	type old struct{ path, text string }
	var before []old
	restore = func() (err error) {
		for _, o := range before {
			err = errors.Join(err, os.WriteFile(o.path, []byte(o.text), 0o644))
			fmt.Fprintf(os.Stderr, "%s is %s again\n", nameOf(o.path), plain(o.text))
		}
		return err
	}
	for _, l := range limits {
		path := filepath.Join("/proc/sys", strings.ReplaceAll(l.name, ".", "/"))
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, restore())
		}
		raised, err := l.raised(string(text))
		if err != nil {
			return nil, errors.Join(err, restore())
		}
		if raised == "" {
			fmt.Fprintf(os.Stderr, "%s is %s, which suffices\n", l.name, plain(string(text)))
			continue
		}
		if err := os.WriteFile(path, []byte(raised), 0o644); err != nil {
			return nil, errors.Join(fmt.Errorf("raise a limit, which only root may: %w", err), restore())
		}
		before = append(before, old{path, string(text)})
		fmt.Fprintf(os.Stderr, "%s is %s, for as long as this runs; it was %s\n", l.name, raised, plain(string(text)))
	}
	return restore, nil
}

// raised is the new value of a limit, empty where the old suffices.
func (l kernelLimit) raised(text string) (string, error) {
	fields := strings.Fields(text)
	if len(fields) != len(l.least) {
		return "", fmt.Errorf("%s is %q", l.name, text)
	}
	low := false
	for i, field := range fields {
		v, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return "", fmt.Errorf("%s: %w", l.name, err)
		}
		if v < l.least[i] {
			fields[i], low = strconv.FormatUint(l.least[i], 10), true
		}
	}
	if !low {
		return "", nil
	}
	return strings.Join(fields, " "), nil
}

func nameOf(path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(path, "/proc/sys/"), "/", ".")
}

func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

// memory is what the whole machine has, in bytes.
type memory struct {
	available int64 // could be had without swapping
	slab      int64 // holds the kernel's own structures, of sockets too
	tcp       int64 // holds what TCP has received and not sent
}

func memoryNow() (m memory, err error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, err
	}
	for name, to := range map[string]*int64{"MemAvailable": &m.available, "Slab": &m.slab} {
		if *to, err = number(string(text), `(?m)^`+name+`:\s+(\d+) kB$`); err != nil {
			return m, err
		}
		*to <<= 10
	}
	text, err = os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return m, err
	}
	pages, err := number(string(text), `(?m)^TCP: .* mem (\d+)$`)
	m.tcp = pages * int64(os.Getpagesize())
	return m, err
}

// loopbackBytes is what has gone over the loopback of this network.
func loopbackBytes() (int64, error) {
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return 0, err
	}
	return number(string(text), `(?m)^\s*lo:\s*(\d+)`)
}

// number finds one in a text.
func number(text, pattern string) (int64, error) {
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("nothing in the system's figures is like %s", pattern)
	}
	return strconv.ParseInt(found[1], 10, 64)
}
