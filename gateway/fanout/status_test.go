package fanout_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/ticker"
)

func TestStatus(t *testing.T) {
	hub := fanout.NewHub(nil)
	c := fanout.NewCursor(hub)
	c.Subscribe(fanout.View{Key: "", Sees: func(ticker.Symbol) bool { return false }})
	const down = `{"type":"status","source":"coinbase","state":"down","symbols":["A-B","C-D"]}`
	const back = `{"type":"status","source":"coinbase","state":"live","symbols":["A-B"]}`
	for _, msg := range []string{down, back} {
		if err := hub.Status([]byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	frames, count, _ := c.Next(1 << 10)
	if want := string(frame.AppendText(nil, []byte(down))) + string(frame.AppendText(nil, []byte(back))); string(frames) != want || count != 2 {
		t.Errorf("got %q", frames)
	}
	const left = `{"type":"status","source":"coinbase","state":"down","symbols":["C-D"]}`
	late := fanout.NewCursor(hub)
	if got := late.Subscribe(fanout.View{Key: "", Sees: func(ticker.Symbol) bool { return false }}); !bytes.HasSuffix(got, frame.AppendText(nil, []byte(left))) {
		t.Errorf("who comes later is told %q", got)
	}
	for _, bad := range []string{"", "{}", `{"type":"status"}`, `{"type":"ticker","source":"x"}`} {
		if err := hub.Status([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestStatusIsNeverLost holds that a price is not taken for live, or for stale,
// because its reader was too slow or changed its view when that was told.
func TestStatusIsNeverLost(t *testing.T) {
	const stale = `{"type":"status","source":"coinbase","state":"stale","symbols":["A-B"]}`
	const live = `{"type":"status","source":"coinbase","state":"live","symbols":["A-B"]}`
	slow := everything
	slow.Key, slow.Interval = "slow", time.Second
	for name, next := range map[string]func(*fanout.Cursor) []byte{
		"snapshot instead of the backlog": func(c *fanout.Cursor) []byte {
			if _, _, kept := c.Next(1); kept {
				t.Error("the cursor is not behind")
			}
			return c.Snapshot()
		},
		"subscribe": func(c *fanout.Cursor) []byte { return c.Subscribe(slow) },
		"switch":    func(c *fanout.Cursor) []byte { return c.Switch(slow) },
	} {
		synctest.Test(t, func(t *testing.T) {
			hub := fanout.NewHub(nil)
			c := fanout.NewCursor(hub)
			c.Subscribe(everything)
			seq := uint64(0)
			for _, news := range []string{stale, live} {
				if err := hub.Status([]byte(news)); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					seq++
					publish(t, hub, tickOf(seq, "A-B"))
					time.Sleep(2 * time.Second)
				}
				if got := next(&c); !bytes.HasSuffix(got, frame.AppendText(nil, []byte(news))) {
					t.Errorf("%s: got %q, want %s at its end", name, got, news)
				}
				c.Subscribe(everything)
			}
		})
	}
}
