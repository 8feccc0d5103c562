package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEachReadOnly(t *testing.T) {
	const maps = `00400000-01339000 r-xp 00000000 fe:00 1234                               /opt/my programs/tickerd
01339000-02252000 r--p 00f39000 fe:00 1234                               /opt/my programs/tickerd
02252000-02320000 rw-p 01e52000 fe:00 1234                               /opt/my programs/tickerd
02320000-04373000 rw-p 00000000 00:00 0
7f56ba23b000-7f56ba2ad000 r-xp 00000000 fe:00 99                         /usr/lib/libc.so
7ffd1a3f0000-7ffd1a411000 r-xp 00000000 00:00 0                          [vdso]
`
	var got []uintptr
	err := eachReadOnly(strings.NewReader(maps), "/opt/my programs/tickerd", func(start, end uintptr) error {
		got = append(got, start, end)
		return nil
	})
	if want := []uintptr{0x400000, 0x1339000, 0x1339000, 0x2252000}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}
	if err := eachReadOnly(strings.NewReader("nothing\n"), "/", nil); err == nil {
		t.Error("what is no map is read")
	}
}

// The program goes on without its pages.
func TestReleaseProgram(t *testing.T) {
	if err := releaseProgram(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Error(err)
	}
}
