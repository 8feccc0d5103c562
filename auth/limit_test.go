package auth

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	ann = netip.MustParseAddr("192.0.2.1")
	bob = netip.MustParseAddr("192.0.2.2")
)

// try makes one attempt; ok says whether it was let in.
func try(t *testing.T, l *Limiter, ip netip.Addr, end func(*Attempt)) (wait time.Duration, ok bool) {
	t.Helper()
	a, wait, ok := l.Begin(t.Context(), ip)
	if ok != (a != nil) || ok != (wait == 0) {
		t.Errorf("attempt %v, wait %v, ok %v", a, wait, ok)
	}
	if ok {
		end(a)
	}
	return wait, ok
}

func TestLimitOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(20, 600)
		for i := range 20 {
			if _, ok := try(t, l, ann, (*Attempt).Failed); !ok {
				t.Fatalf("refused after %d failures", i)
			}
		}
		for range 2 { // a refused attempt costs nothing
			if wait, ok := try(t, l, ann, (*Attempt).Succeeded); ok || wait != 3*time.Second {
				t.Errorf("after 20 failures: %v, wait %v", ok, wait)
			}
		}
		if _, ok := try(t, l, bob, (*Attempt).Failed); !ok {
			t.Error("another address is refused")
		}
		time.Sleep(2900 * time.Millisecond)
		if wait, ok := try(t, l, ann, (*Attempt).Failed); ok || wait != time.Second {
			t.Errorf("after 2.9 s: %v, wait %v", ok, wait)
		}
		time.Sleep(100 * time.Millisecond)
		if _, ok := try(t, l, ann, (*Attempt).Failed); !ok {
			t.Error("after 3 s: refused")
		}
		if wait, ok := try(t, l, ann, (*Attempt).Failed); ok || wait != 3*time.Second {
			t.Errorf("after 3 s, the second: %v, wait %v", ok, wait)
		}
		time.Sleep(time.Minute)
		for i := range 20 {
			if _, ok := try(t, l, ann, (*Attempt).Failed); !ok {
				t.Fatalf("a minute later refused after %d failures", i)
			}
		}
	})
}

func TestLimitOfTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(20, 600)
		for i := range 600 {
			if _, ok := try(t, l, ann, (*Attempt).Succeeded); !ok {
				t.Fatalf("refused after %d tokens", i)
			}
		}
		if wait, ok := try(t, l, ann, (*Attempt).Succeeded); ok || wait != time.Second {
			t.Errorf("after 600 tokens: %v, wait %v", ok, wait)
		}
		time.Sleep(100 * time.Millisecond)
		if _, ok := try(t, l, ann, (*Attempt).Succeeded); !ok {
			t.Error("after 0.1 s: refused")
		}
	})
}

func TestNoLimit(t *testing.T) {
	l := NewLimiter(0, 0)
	for range 1000 {
		try(t, l, ann, (*Attempt).Succeeded)
		if _, ok := try(t, l, ann, (*Attempt).Failed); !ok {
			t.Fatal("refused")
		}
	}
	l = NewLimiter(1, 0)
	try(t, l, ann, (*Attempt).Failed)
	if _, ok := try(t, l, ann, (*Attempt).Failed); ok {
		t.Error("only tokens are without limit")
	}
}

func TestAbandonedCostsNothing(t *testing.T) {
	l := NewLimiter(1, 1)
	for range 100 {
		if _, ok := try(t, l, ann, (*Attempt).Abandoned); !ok {
			t.Fatal("refused")
		}
	}
}

func TestAttemptEndsOnce(t *testing.T) {
	l := NewLimiter(2, 2)
	for range 2 {
		if _, ok := try(t, l, ann, func(a *Attempt) {
			defer a.Abandoned()
			a.Failed()
			a.Failed()
			a.Succeeded()
		}); !ok {
			t.Error("refused")
		}
	}
	if _, ok := try(t, l, ann, (*Attempt).Failed); ok {
		t.Error("let in after two failures")
	}
	if m := l.young[ann]; m.underWay != 0 {
		t.Errorf("%d under way", m.underWay)
	}
}

// parallel makes n attempts at once, each of which takes a moment, and tells how
// many were let in.
func parallel(t *testing.T, l *Limiter, n int, end func(*Attempt)) int {
	t.Helper()
	var in atomic.Int32
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			try(t, l, ann, func(a *Attempt) {
				in.Add(1)
				time.Sleep(time.Millisecond)
				end(a)
			})
		})
	}
	all.Wait()
	return int(in.Load())
}

func TestParallelFailuresAreCountedExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if in := parallel(t, NewLimiter(20, 600), 30, (*Attempt).Failed); in != 20 {
			t.Errorf("%d of 30 were tried", in)
		}
	})
}

func TestParallelSuccessesAreNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(20, 600)
		if in := parallel(t, l, 300, (*Attempt).Succeeded); in != 300 {
			t.Errorf("%d of 300 were let in", in)
		}
		if in := parallel(t, l, 400, (*Attempt).Succeeded); in < 300 || in > 302 { // a few ms give back at most two
			t.Errorf("then %d of 400 were let in", in)
		}
	})
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(1, 600)
		first, _, _ := l.Begin(t.Context(), ann)
		var outcomes [3]bool
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for i := range outcomes {
			ctx := ctx
			if i != 1 {
				ctx = t.Context()
			}
			all.Go(func() {
				a, wait, ok := l.Begin(ctx, ann)
				if outcomes[i] = ok; ok {
					a.Succeeded()
				} else if wait < time.Second {
					t.Errorf("wait %v", wait)
				}
			})
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		first.Abandoned()
		all.Wait()
		if outcomes != [3]bool{true, false, true} {
			t.Errorf("let in: %v", outcomes)
		}
		if m := l.young[ann]; m.underWay != 0 || m.waiting != nil {
			t.Errorf("left over: %+v", m)
		}
	})
}

// TestGivingUpAtTheMomentOfAdmission has a place and the end of its client's
// patience come together, both ways round.
func TestGivingUpAtTheMomentOfAdmission(t *testing.T) {
	for range 200 {
		l := NewLimiter(1, 600)
		first, _, _ := l.Begin(t.Context(), ann)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if a, _, ok := l.Begin(ctx, ann); ok {
				a.Abandoned()
			}
		})
		all.Go(cancel)
		all.Go(first.Abandoned)
		all.Wait()
		if m := l.young[ann]; m.underWay != 0 || len(m.waiting) != 0 {
			t.Fatalf("left over: %+v", m)
		}
	}
}

func TestClientAddress(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::ffff:0:0:2", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		a, b := client(netip.MustParseAddr(tt.a)), client(netip.MustParseAddr(tt.b))
		if (a == b) != tt.same {
			t.Errorf("%s is %v, %s is %v", tt.a, a, tt.b, b)
		}
	}
	if client(netip.Addr{}) != (netip.Addr{}) {
		t.Error("no address")
	}
}

// flood has n networks try one key each.
func flood(l *Limiter, n int) {
	for i := range n {
		ip := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 16), byte(i >> 8), byte(i)})
		if a, _, ok := l.Begin(context.Background(), ip); ok {
			a.Failed()
		}
	}
}

func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(1, 600)
		try(t, l, ann, (*Attempt).Failed)
		for range 5 {
			flood(l, generation)
			if _, ok := try(t, l, ann, (*Attempt).Failed); ok {
				t.Error("forgotten though it tries on")
			}
			if n := len(l.young) + len(l.old); n > 2*generation {
				t.Errorf("%d addresses are remembered", n)
			}
		}
		time.Sleep(turnover)
		try(t, l, ann, (*Attempt).Failed)
		time.Sleep(turnover)
		try(t, l, bob, (*Attempt).Failed)
		if n := len(l.young) + len(l.old); n != 2 {
			t.Errorf("%d addresses are remembered of a flood that is over", n)
		}
	})
}

func BenchmarkLimiter(b *testing.B) {
	l := NewLimiter(20, 0)
	b.ReportAllocs()
	for b.Loop() {
		a, _, _ := l.Begin(b.Context(), ann)
		a.Succeeded()
	}
}
