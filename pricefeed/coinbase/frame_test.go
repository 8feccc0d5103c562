package coinbase

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

const live = `{"type":"ticker","sequence":137212619516,"product_id":"BTC-USD","price":"84737.58","open_24h":"84430.55",` +
	`"volume_24h":"1836.96781750","low_24h":"84400","high_24h":"85021.57","volume_30d":"175984.53012145","best_bid":"84737.58",` +
	`"best_bid_size":"0.19921154","best_ask":"84737.59","best_ask_size":"0.05223077","side":"sell",` +
	`"time":"2026-10-03T20:58:31.127510Z","trade_id":1102042811,"last_size":"0.00000025"}`

// show writes a frame in a line.
func show(f Frame, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case f.Type == TypeTicker:
		at := "-"
		if !f.Time.IsZero() {
			at = f.Time.Format(time.RFC3339Nano)
		}
		return fmt.Sprintf("ticker %s %d %s %s", f.Product, f.Sequence, f.Price, at)
	case f.Type == TypeHeartbeat:
		return "heartbeat " + f.Product
	case f.Type == TypeSubscriptions:
		return fmt.Sprintf("subscriptions %v", f.Served)
	case f.Type == TypeError:
		return fmt.Sprintf("error %q", f.Reason)
	}
	return f.Type
}

// goldenFrames calls f for each message of the golden file.
func goldenFrames(tb testing.TB, f func(line int, msg, want string)) {
	file, err := os.Open("testdata/frames.txt")
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	msg := ""
	for n := 1; lines.Scan(); n++ {
		if sent, ok := strings.CutPrefix(lines.Text(), "< "); ok {
			msg = sent
		}
		if want, ok := strings.CutPrefix(lines.Text(), "> "); ok {
			f(n, msg, want)
		}
	}
	if lines.Err() != nil {
		tb.Fatal(lines.Err())
	}
}

func TestDecode(t *testing.T) {
	count := 0
	goldenFrames(t, func(line int, msg, want string) {
		count++
		f, err := Decode([]byte(msg))
		if got := show(f, err); got != want {
			t.Errorf("frames.txt:%d: %s\n got %s\nwant %s", line, msg, got, want)
		}
		if err != nil && (!errors.Is(err, ErrFrame) || !reflect.DeepEqual(f, Frame{})) {
			t.Errorf("frames.txt:%d: %+v, %v", line, f, err)
		}
	})
	if count < 40 {
		t.Errorf("%d messages", count)
	}
}

func TestDecodeKeepsNothing(t *testing.T) {
	msg := []byte(live)
	f, err := Decode(msg)
	if err != nil {
		t.Fatal(err)
	}
	before := show(f, nil)
	clear(msg)
	if after := show(f, nil); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

func TestDecodeAllocations(t *testing.T) {
	msg := []byte(live)
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := Decode(msg); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations", n)
	}
	if _, ok := scan(msg); !ok {
		t.Error("the fast way is not taken")
	}
}

// FuzzDecode holds the fast way against encoding/json: what it takes means the
// same there, to the byte.
func FuzzDecode(f *testing.F) {
	goldenFrames(f, func(_ int, msg, _ string) { f.Add([]byte(msg)) })
	f.Fuzz(func(t *testing.T, msg []byte) {
		fast, ok := scan(msg)
		slow, err := unmarshal(msg)
		if ok && (err != nil || !reflect.DeepEqual(fast, slow)) {
			t.Errorf("%q: %s, encoding/json says %s, %v", msg, fast, slow, err)
		}
		var want Frame
		if err == nil {
			want, err = slow.frame()
		}
		got, gotErr := Decode(msg)
		if !reflect.DeepEqual(got, want) || (gotErr == nil) != (err == nil) {
			t.Errorf("%q: %+v, %v; encoding/json gives %+v, %v", msg, got, gotErr, want, err)
		}
		if got.Type == TypeTicker && !got.Price.Positive() {
			t.Errorf("%q: price %s", msg, got.Price)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	msg := []byte(live)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeStandard is what Decode would be without scan.
func BenchmarkDecodeStandard(b *testing.B) {
	msg := []byte(live)
	b.ReportAllocs()
	for b.Loop() {
		m, err := unmarshal(msg)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.frame(); err != nil {
			b.Fatal(err)
		}
	}
}
