package main

import (
	"runtime/debug"
	"slices"
	"testing"
)

func TestMemoryKeeper(t *testing.T) {
	var did []int
	const released = -1
	k := memoryKeeper{
		setPercent: func(percent int) { did = append(did, percent) },
		release:    func() { did = append(did, released) },
	}
	seconds := func(allocated ...uint64) []int {
		did = nil
		for _, n := range allocated {
			k.second(n)
		}
		return did
	}
	for _, step := range []struct {
		what      string
		allocated []uint64
		want      []int
	}{
		{"not quiet for long enough", []uint64{0, busyRate}, nil},
		{"quiet", []uint64{0}, []int{quietPercent, released}},
		{"still quiet", []uint64{0, 0, 0, 0, 0}, nil},
		{"busy", []uint64{busyRate + 1}, []int{busyPercent}},
		{"still busy, but for a pause", []uint64{busyRate + 1, 0, 0, busyRate + 1}, nil},
		{"quiet again", []uint64{0, 0, 0, 0}, []int{quietPercent, released}},
	} {
		if got := seconds(step.allocated...); !slices.Equal(got, step.want) {
			t.Errorf("%s: got %v, want %v", step.what, got, step.want)
		}
	}
}

// Who sets GOGC has it.
func TestMemoryIsTheOperatorsToSet(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	t.Setenv("GOGC", "100")
	if err := keepMemory(t.Context()); err != nil || read("/gc/gogc:percent") != 100 {
		t.Errorf("%v, and GOGC is %d", err, read("/gc/gogc:percent"))
	}
}
