package fanout_test

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"tickerd/gateway/fanout"
)

func TestCursorIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(fanout.Cursor{}); size > 32 {
		t.Errorf("a Cursor has %d bytes, and 32 are promised", size)
	}
}

// TestBacklogIsBounded holds that a cursor that never reads is behind before long,
// whatever the ticks are like, and that the last frame is kept all the same.
func TestBacklogIsBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		symbols int
		pause   time.Duration
		kept    int // ticks
	}{
		"old":  {1, 10 * time.Millisecond, 100},
		"much": {2000, time.Millisecond, 8},
		"huge": {20000, time.Millisecond, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newHub(t)
				c, late := fanout.NewCursor(hub), fanout.NewCursor(hub)
				c.Subscribe(everything)
				template := newTicks(tt.symbols)
				for tick := 1; tick <= tt.kept+2; tick++ {
					publish(t, hub, slices.Clone(template.next()))
					if _, _, kept := c.Next(1); kept != (tick <= tt.kept+1) && tick != tt.kept+1 {
						t.Errorf("after %d ticks of %d bytes: kept %v", tick, len(template.msg), kept)
					}
					if tick == tt.kept+1 {
						late.Subscribe(everything)
					}
					time.Sleep(tt.pause)
				}
				if frames, count, kept := late.Next(1); count != 1 || !kept || len(parse(t, frames)[0].Data) != tt.symbols {
					t.Errorf("the last tick is not kept: %d %v", count, kept)
				}
			})
		})
	}
}

func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := fanout.NewHub(nil)
		c := fanout.NewCursor(hub)
		check := func(what string, most time.Duration, want bool) {
			t.Helper()
			if got := c.Late(time.Now(), most); got != want {
				t.Errorf("%s: late by %v: %v", what, most, got)
			}
		}
		check("on nothing", 0, false)
		c.Subscribe(everything)
		time.Sleep(time.Minute)
		check("nothing to read", 0, false)
		publish(t, hub, tickOf(1, "A-B"))
		time.Sleep(300 * time.Millisecond)
		publish(t, hub, tickOf(2, "A-B"))
		check("two frames", 299*time.Millisecond, true)
		check("two frames", 300*time.Millisecond, false)
		frames, _, _ := c.Next(1)
		c.Advance(len(frames))
		check("one frame", 0, false)
		time.Sleep(time.Millisecond)
		check("one frame", 0, true)
		time.Sleep(2 * time.Second)
		publish(t, hub, tickOf(3, "A-B"))
		check("frame that is dropped", time.Hour, true)
	})
}

// TestFramesNeverChange holds that what was given stays what it was.
func TestFramesNeverChange(t *testing.T) {
	hub := newHub(t)
	c, other := fanout.NewCursor(hub), fanout.NewCursor(hub)
	other.Subscribe(everything)
	var given, copies [][]byte
	ticks := newTicks(20)
	for range 5000 {
		publish(t, hub, slices.Clone(ticks.next()))
		given = append(given, c.Subscribe(everything))
		if frames, _, kept := other.Next(1 << 20); kept {
			other.Advance(len(frames))
			given = append(given, frames)
		}
		for _, frames := range given[len(copies):] {
			copies = append(copies, bytes.Clone(frames))
		}
	}
	for i := range given {
		if !bytes.Equal(given[i], copies[i]) {
			t.Fatalf("%q became %q", copies[i], given[i])
		}
	}
}
