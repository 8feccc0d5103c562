package floor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A tick that is late is sent, and the next one is not.
func TestPaceCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var p pace
		for i, want := range []struct{ busy, at, overdue time.Duration }{
			{busy: 3, at: 0},
			{busy: 25, at: 10},
			{busy: 1, at: 35, overdue: 15},
			{busy: 1, at: 36, overdue: 6},
			{busy: 1, at: 40},
			{busy: 5000, at: 50},
			{busy: 0, at: 5050, overdue: 990},
			{busy: 0, at: 5050, overdue: 980},
		} {
			now, overdue, ok := p.next(t.Context())
			if got := now.Sub(began); got != want.at*time.Millisecond || overdue != want.overdue*time.Millisecond || !ok {
				t.Errorf("tick %d: at %v, overdue by %v, %v; want %d, %d ms", i, got, overdue, ok, want.at, want.overdue)
			}
			time.Sleep(want.busy * time.Millisecond)
		}
	})
}

func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var p pace
		p.next(ctx)
		time.AfterFunc(interval/2, cancel)
		if _, _, ok := p.next(ctx); ok {
			t.Error("goes on after the end")
		}
		if _, _, ok := p.next(ctx); ok {
			t.Error("goes on")
		}
	})
}
