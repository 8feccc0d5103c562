package fanout

import (
	"fmt"
	"testing"

	"tickerd/gateway/frame"
	"tickerd/ticker"
)

func everySymbol(ticker.Symbol) bool { return true }

func tickOf(seq uint64) []byte {
	return ticker.Tick{Seq: seq, TS: 1, Data: []ticker.Price{{Symbol: "A-B", Price: "1"}}}.AppendJSON(nil)
}

// TestWhileCompressing holds that who comes or goes while a tick is compressed gets
// it once.
func TestWhileCompressing(t *testing.T) {
	h := NewHub(nil)
	deflating := View{Key: "*", Sees: everySymbol, Encoding: Deflate}
	plain := View{Key: "*", Sees: everySymbol}
	stays, goes := NewCursor(h), NewCursor(h)
	stays.Subscribe(deflating)
	goes.Subscribe(deflating)
	if err := h.Tick(tickOf(1), 1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Cursor{&stays, &goes} {
		frames, _, _ := c.Next(1)
		c.Advance(len(frames))
	}

	comes := NewCursor(h)
	var moved []byte
	err := h.append(func() error {
		msg := tickOf(2)
		if err := ticker.Scan(msg, &h.scanned); err != nil {
			return err
		}
		h.mu.Lock()
		err := h.take(msg, 1)
		h.mu.Unlock()
		// Tick 2 is taken, and not yet in the stream.
		comes.Subscribe(deflating)
		moved = goes.Switch(plain)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := string(frame.AppendText(nil, tickOf(2))); string(moved) != want {
		t.Errorf("who went was given %q, want %q", moved, want)
	}
	if frames, count, _ := goes.Next(1); count != 0 {
		t.Errorf("who went gets %q again", frames)
	}
	if frames, count, _ := comes.Next(1); count != 0 {
		t.Errorf("who came has had it by the snapshot, and gets %x again", frames)
	}
	if _, count, _ := stays.Next(1); count != 1 {
		t.Errorf("who stayed gets %d frames", count)
	}
	if err := h.Tick(tickOf(3), 1); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Cursor{"who came": &comes, "who went": &goes} {
		if _, count, _ := c.Next(1); count != 1 {
			t.Errorf("%s gets %d frames of the next tick", name, count)
		}
	}
}

// TestWhatIsNotSmallerStaysPlain covers messages that no compressor helps.
func TestWhatIsNotSmallerStaysPlain(t *testing.T) {
	for _, tt := range []struct {
		plain, deflated string
		want            string
	}{
		{"plain", "defl", "defl"},
		{"plain", "defla", "plain"},
		{"plain", "deflat", "plain"},
	} {
		m := smaller([]byte(tt.plain), []byte(tt.deflated))
		if got := string(m.appendTo(nil)); got != tt.want || m.deflated != (tt.want == tt.deflated) || m.size != len(got) {
			t.Errorf("of %q and %q: %q, %v", tt.plain, tt.deflated, got, m.deflated)
		}
	}
}

// TestWhatIsGoneIsLetGo holds that nothing is kept of a stream that nobody reads,
// nor a snapshot that nobody would come for.
func TestWhatIsGoneIsLetGo(t *testing.T) {
	h := NewHub(nil)
	if err := h.Tick(tickOf(1), 1); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c := NewCursor(h)
		c.Subscribe(View{Key: fmt.Sprint(i), Sees: everySymbol, Interval: 1})
		if c.stream.snapshot != nil {
			t.Error("a snapshot is kept for nobody")
		}
		if err := h.Tick(tickOf(uint64(i)+2), 1); err != nil {
			t.Fatal(err)
		}
		if len(h.agenda) != 1 {
			t.Errorf("%d streams have something to send, want 1", len(h.agenda))
		}
		c.Close()
	}
	if len(h.streams)+len(h.agenda)+len(h.interests.broad)+len(h.interests.narrow[0])+len(h.cached) > 0 {
		t.Errorf("kept: %v %v %v %v", h.streams, h.agenda, h.interests, h.cached)
	}
}
