package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestParseStat(t *testing.T) {
	c, err := parseStat("42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 1234 56 99 99 20 0 1\n")
	if want := (cpuTime{12.34, 0.56}); err != nil || c != want {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, broken := range []string{"", "42 (a) S 1 2", "42 (a) S 1 2 3 4 5 6 7 8 9 10 x 56 99"} {
		if _, err := parseStat(broken); err == nil {
			t.Errorf("%q is read", broken)
		}
	}
}

func TestOwnProcess(t *testing.T) {
	before, err := cpuTimeOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for now := before; now.since(before).total() == 0; { // which takes time
		if now, err = cpuTimeOf(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if rss, err := rssOf(os.Getpid()); err != nil || rss < 1<<20 {
		t.Errorf("memory %d, %v", rss, err)
	}
}

// A program that is started on one processor may use that one alone, and this one
// what it could before.
func TestStartOn(t *testing.T) {
	two, err := cores()
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("cat", "/proc/self/status")
	var out strings.Builder
	cmd.Stdout = &out
	if err := startOn(cmd, two[1:]); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(out.String(), "Cpus_allowed_list:")
	if list := strings.Fields(after); len(list) == 0 || list[0] != strconv.Itoa(two[1]) {
		t.Errorf("may use %q", list)
	}
	if again, err := cores(); err != nil || len(again) != 2 {
		t.Errorf("left with %v, %v", again, err)
	}
}
