package fanout_test

import (
	"bytes"
	"errors"
	"slices"
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

// What is said of several sources of one symbol is kept apart, with all that was said.
func TestStatusOfSeveralSources(t *testing.T) {
	hub := fanout.NewHub(nil)
	for _, msg := range []string{
		`{"type":"status","source":"kraken","state":"down","symbols":["A-B","C-D"],"part_of":"composite"}`,
		`{"type":"status","source":"binance","state":"stale","symbols":["A-B"],"part_of":"composite"}`,
		`{"type":"status","source":"composite","state":"stale","symbols":["A-B","C-D"],"sources":["kraken","binance"]}`,
		`{"type":"status","source":"composite","state":"stale","symbols":["E-F"],"sources":["coinbase"]}`,
		`{"type":"status","source":"composite","state":"live","symbols":["A-B"],"sources":["coinbase"]}`,
		`{"type":"status","source":"kraken","state":"stale","symbols":["C-D"],"part_of":"composite"}`,
	} {
		if err := hub.Status([]byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`{"type":"status","source":"binance","state":"stale","symbols":["A-B"],"part_of":"composite"}`,
		`{"type":"status","source":"composite","state":"live","symbols":["A-B"],"sources":["coinbase"]}`,
		`{"type":"status","source":"composite","state":"stale","symbols":["E-F"],"sources":["coinbase"]}`,
		`{"type":"status","source":"composite","state":"stale","symbols":["C-D"],"sources":["kraken","binance"]}`,
		`{"type":"status","source":"kraken","state":"down","symbols":["A-B"],"part_of":"composite"}`,
		`{"type":"status","source":"kraken","state":"stale","symbols":["C-D"],"part_of":"composite"}`,
	}
	var all, some []byte
	for _, msg := range want {
		all = frame.AppendText(all, []byte(msg))
	}
	some = frame.AppendText(frame.AppendText(some, []byte(want[3])), []byte(want[5]))
	nothing := func(ticker.Symbol) bool { return false }
	c := fanout.NewCursor(hub)
	if got := c.Subscribe(fanout.View{Key: "all", Sees: nothing}); !bytes.HasSuffix(got, all) {
		t.Errorf("got %q, want %q at its end", got, all)
	}
	limited := fanout.View{Key: "some", Sees: nothing, May: func(s ticker.Symbol) bool { return s == "C-D" }}
	if got := c.Subscribe(limited); !bytes.HasSuffix(got, some) || bytes.Contains(got, []byte("A-B")) {
		t.Errorf("who may see C-D: got %q, want %q at its end", got, some)
	}
}

// Of symbols that are gone is told once, and then nothing any more: no price, no status.
func TestStatusOfWhatIsGone(t *testing.T) {
	hub := fanout.NewHub(nil)
	c := fanout.NewCursor(hub)
	c.Subscribe(everything)
	publish(t, hub, tickOf(1, "A-B"))
	publish(t, hub, tickOf(2, "C-D"))
	if !hub.CanResume(1) {
		t.Error("the second tick is not kept")
	}
	const gone = `{"type":"status","source":"coinbase","state":"down","symbols":["A-B","X-Y"],"gone":true}`
	const stale = `{"type":"status","source":"coinbase","state":"stale","symbols":["A-B","C-D"]}`
	for _, msg := range []string{stale, gone} {
		want(t, msg, hub.Status([]byte(msg)), nil)
	}
	want(t, "what is known", hub.States([]byte("["+gone+"]")), nil)
	wantNext(t, &c, tickOf(1, "A-B"), tickOf(2, "C-D"), []byte(stale), []byte(gone))
	late := fanout.NewCursor(hub)
	if got := late.Subscribe(everything); bytes.Contains(got, []byte("A-B")) || !bytes.Contains(got, []byte("C-D")) {
		t.Errorf("who comes later is told %q", got)
	}
	if _, err := hub.AppendPrice(nil, "A-B"); !errors.Is(err, fanout.ErrUnknownSymbol) || hub.Knows("A-B") || !slices.Equal(hub.Symbols(), []ticker.Symbol{"C-D"}) {
		t.Errorf("%v, %v", err, hub.Symbols())
	}
	if got := hub.AppendPrices(nil, everything.Sees); bytes.Contains(got, []byte("A-B")) {
		t.Errorf("prices %s", got)
	}
	if hub.CanResume(1) {
		t.Error("who was away resumes from before it")
	}

	// It may come back.
	publish(t, hub, tickOf(3, "A-B"))
	wantNext(t, &c, tickOf(3, "A-B"))
	if !hub.Knows("A-B") {
		t.Error("A-B is not known again")
	}

	// Who has not heard of it is told when the publisher is asked.
	for range 2 {
		want(t, "what is known", hub.States([]byte("["+gone+"]")), nil)
	}
	wantNext(t, &c, []byte(`{"type":"status","source":"coinbase","state":"down","symbols":["A-B"],"gone":true}`))
}

// A symbol may be expected before its first price, and is no more when it is gone.
func TestExpect(t *testing.T) {
	hub := fanout.NewHub(nil)
	hub.Expect([]ticker.Symbol{"A-B", "C-D"})
	if !hub.Knows("A-B") || !hub.Knows("C-D") || hub.Knows("E-F") || len(hub.Symbols()) > 0 {
		t.Error("not what is expected is known")
	}
	c := fanout.NewCursor(hub)
	c.Subscribe(everything)
	const gone = `{"type":"status","source":"coinbase","state":"down","symbols":["A-B"],"gone":true}`
	for range 2 {
		want(t, "what is known", hub.States([]byte("["+gone+"]")), nil)
	}
	wantNext(t, &c, []byte(gone))
	if hub.Knows("A-B") || !hub.Knows("C-D") {
		t.Error("what is gone is expected all the same")
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
