package floor

import (
	"bytes"
	"testing"
	"time"

	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// A frame that was written over is that of a new tick, but for the seconds of its
// prices.
func TestTemplate(t *testing.T) {
	var tp template
	at := time.Unix(1_700_000_000, 0)
	for _, seq := range []uint64{1, 2, 9, 10, 11, 99, 100, 1, 1 << 40} {
		at = at.Add(interval)
		got := tp.set(seq, at)
		if want := frame.AppendText(nil, tickAt(seq, at)); !bytes.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		var tick ticker.Scanned
		if err := ticker.Scan(got[bytes.IndexByte(got, '{'):], &tick); err != nil || tick.Seq != seq || tick.TS != at.UnixMicro() {
			t.Errorf("seq %d, ts %d, %v", tick.Seq, tick.TS, err)
		}
	}
}

func TestTemplateAllocates(t *testing.T) {
	var tp template
	tp.set(100, time.Now())
	if n := testing.AllocsPerRun(100, func() { tp.set(101, time.Now()) }); n > 0 {
		t.Errorf("%v allocations for a tick", n)
	}
}
