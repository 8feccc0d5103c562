package nodetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Files is how many files the process has open.
func (n *Node) Files(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir(n.proc("fd"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// CPU is the time that the process has taken so far, of all cores, to the hundredth
// of a second.
func (n *Node) CPU(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(n.proc("stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ") // pid (name) state …
	sum := 0
	for _, field := range strings.Fields(after)[11:13] { // utime and stime
		ticks, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		sum += ticks
	}
	return time.Duration(sum) * 10 * time.Millisecond // whatever the kernel, it tells a hundred a second
}

// KiB is a line of the process's status that is in KiB: "VmRSS" is what it has in memory.
func (n *Node) KiB(t *testing.T, name string) (kib int) {
	t.Helper()
	status, err := os.ReadFile(n.proc("status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(status), "\n"+name+":")
	if _, err := fmt.Sscan(rest, &kib); err != nil || !found {
		t.Fatalf("%s in the status of the process: %v", name, err)
	}
	return kib
}

// proc is where the system tells something of the process.
func (n *Node) proc(what string) string {
	return filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid), what)
}
