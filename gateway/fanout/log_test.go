package fanout

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// TestLog holds a log against one long run of bytes, and that it keeps no segment
// that nobody could read.
func TestLog(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var l log
	var written []byte
	var at time.Duration
	busy := 0
	for seq := range uint64(20_000) {
		size := 1 + rng.IntN(100)
		switch {
		case seq%5000 < 500: // busier times
			size = rng.IntN(20_000)
			at += time.Millisecond
		default:
			at += time.Duration(rng.IntN(30)) * time.Millisecond
		}
		room := l.room(size)
		for i := range room {
			room[i] = byte(rng.Uint32())
		}
		written = append(written, room...)
		l.commit(at, origin{seq + 1, true}, size)

		floor, head := l.floor.Load(), l.head.Load()
		if head != int64(len(written)) || head-floor > maxBytes && l.marks.len() > 1 {
			t.Fatalf("tick %d: from %d to %d, of %d", seq, floor, head, len(written))
		}
		for _, off := range []int64{floor, floor + rng.Int64N(head-floor+1), head} {
			checkRead(t, &l, written, off)
		}
		if _, kept := l.read(floor - 1); kept {
			t.Fatalf("tick %d: %d is kept, before %d", seq, floor-1, floor)
		}
		if had, kept := l.had(floor, seq+1); !kept || had != l.marks.at(0).seq-1 {
			t.Fatalf("tick %d: at %d all up to %d was had, %v", seq, floor, had, kept)
		}
		held, oldest := 0, l.last.Load()
		for s := oldest; s != nil; s = s.prev.Load() {
			held += len(s.buf)
			oldest = s
		}
		if oldest.base > floor || oldest.base+int64(len(oldest.buf)) <= floor {
			t.Fatalf("tick %d: the oldest segment, from %d, does not hold %d", seq, oldest.base, floor)
		}
		busy = max(busy, held)
		if seq%5000 == 4999 && held > 16<<10 {
			t.Errorf("tick %d: %d bytes are held for %d, after %d in busier times", seq, held, head-floor, busy)
		}
	}
}

// checkRead reads from off up to the head.
func checkRead(t *testing.T, l *log, written []byte, off int64) {
	t.Helper()
	for off < int64(len(written)) {
		b, kept := l.read(off)
		if !kept || len(b) == 0 || !bytes.HasPrefix(written[off:], b) {
			t.Fatalf("%d bytes at %d, kept %v, are not those that were written", len(b), off, kept)
		}
		off += int64(len(b))
	}
	if b, kept := l.read(off); len(b) > 0 || !kept {
		t.Fatalf("%d bytes at the head, kept %v", len(b), kept)
	}
}
