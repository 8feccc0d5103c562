package pricefeed

import (
	"testing"
	"testing/synctest"
	"time"
)

// ticks runs a pace of 10 ms for so many ticks, and returns when each began; one
// of n keeps the loop busy for busy.
func ticks(count, n int, busy time.Duration) (begins []time.Duration, late int) {
	start := time.Now()
	p := newPace(10 * time.Millisecond)
	defer p.stop()
	for range count {
		<-p.C
		now := time.Now()
		if p.advance(now) {
			late++
		}
		begins = append(begins, now.Sub(start))
		if len(begins)%n == 0 {
			time.Sleep(busy)
		}
	}
	return begins, late
}

func TestPaceIsAbsolute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begins, late := ticks(6000, 1, 3*time.Millisecond)
		for i, at := range begins {
			if want := time.Duration(i) * 10 * time.Millisecond; at != want {
				t.Fatalf("tick %d at %v, want %v", i, at, want)
			}
		}
		if late != 0 {
			t.Errorf("%d were late", late)
		}
	})
}

func TestPaceCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begins, late := ticks(6000, 100, 255*time.Millisecond)
		if last := begins[5999]; last != 59990*time.Millisecond {
			t.Errorf("the last tick at %v", last)
		}
		// After 255 ms those of 1000 to 1240 ms are due.
		if begins[100] != 1245*time.Millisecond || begins[124] != begins[100] || begins[125] != 1250*time.Millisecond {
			t.Errorf("after a pause at %v, %v … %v, %v", begins[100], begins[101], begins[124], begins[125])
		}
		if late != 59*24 { // but for those of 1240 ms
			t.Errorf("%d were late", late)
		}
	})
}

func TestPaceGivesUpALongPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begins, _ := ticks(1000, 500, time.Hour)
		burst := 0
		for _, at := range begins {
			if at == begins[500] {
				burst++
			}
		}
		if burst < 99 || burst > 101 {
			t.Errorf("%d ticks at once after an hour", burst)
		}
		if next := begins[500+burst] - begins[500]; next <= 0 || next > 10*time.Millisecond {
			t.Errorf("the next %v later", next)
		}
	})
}
