package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tickerd/gateway/event"
	"tickerd/gateway/event/eventtest"
)

// What the standard's own parser makes of the bytes.
func TestAppend(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"welcome", `{"type":"welcome"}`, "event: welcome\ndata: {\"type\":\"welcome\"}\n\n"},
		{"", "hello", "data: hello\n\n"},
		{"two\nlines", "hello", "data: hello\n\n"},
		{"x", "", "event: x\ndata: \n\n"},
		{"x", "a\nb\r\nc\rd\n", "event: x\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		{"x", "\n\n", "event: x\ndata: \ndata: \ndata: \n\n"},
		{"x", " a: b", "event: x\ndata:  a: b\n\n"},
	} {
		if got := string(event.Append([]byte("before"), tt.name, []byte(tt.text))); got != "before"+tt.want {
			t.Errorf("%q %q: got %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

// An event that is put together in its parts, with all that may stand in one.
func TestParts(t *testing.T) {
	b := []byte(event.Comment)
	b = event.AppendRetry(b, 1500*time.Millisecond)
	b = event.AppendHead(event.AppendID(b, 173), "ticker")
	b = append(append(b, `{"seq":173}`...), event.Tail...)
	r := eventtest.NewReader(bytes.NewReader(b))
	got, err := r.Next()
	want := eventtest.Event{Name: "ticker", Data: `{"seq":173}`, ID: "173"}
	if err != nil || got != want || r.Retry != 1500*time.Millisecond || r.Comments != 1 {
		t.Errorf("%q: got %+v, retry %v, %d comments, %v", b, got, r.Retry, r.Comments, err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("behind it: %v", err)
	}
	n, ok := event.Len(b)
	if !ok || !event.IsComment(b) || n != len(event.Comment) || event.IsComment(b[n:]) {
		t.Errorf("%q begins with %q, %v", b, b[:n], ok)
	}
	if _, ok := event.Len(b[n : len(b)-1]); ok {
		t.Error("an event that has not ended has a length")
	}
}

// FuzzAppend holds that any text arrives as it was sent, and that the length of an
// event is found whatever comes behind it.
func FuzzAppend(f *testing.F) {
	f.Add("ticker", "{\n}", "data: x\n\n")
	f.Add("", "\r\n\r", "")
	f.Add("a\rb", ":", "\n\n")
	f.Fuzz(func(t *testing.T, name, text, behind string) {
		if !utf8.ValidString(name) || !utf8.ValidString(text) {
			return
		}
		b := event.Append(nil, name, []byte(text))
		if n, ok := event.Len(append(bytes.Clone(b), behind...)); !ok || n != len(b) {
			t.Fatalf("%q: length %d, %v", b, n, ok)
		}
		want := eventtest.Event{Name: name, Data: strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)}
		if name == "" || strings.ContainsAny(name, "\r\n") {
			want.Name = "message"
		}
		r := eventtest.NewReader(bytes.NewReader(b))
		if got, err := r.Next(); err != nil || got != want {
			t.Fatalf("%q: got %+v, %v, want %+v", b, got, err, want)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("%q: behind it %v", b, err)
		}
	})
}

// FuzzFlatten holds that a JSON text on one line means the same.
func FuzzFlatten(f *testing.F) {
	f.Add([]byte("{\r\n\"a\": [1,\n 2]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		var want, got bytes.Buffer
		if err := json.Compact(&want, text); err != nil {
			t.Fatal(err)
		}
		event.Flatten(text)
		if bytes.ContainsAny(text, "\r\n") {
			t.Fatalf("%q", text)
		}
		if err := json.Compact(&got, text); err != nil || got.String() != want.String() {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func BenchmarkLen(b *testing.B) {
	e := event.Append(nil, "ticker", bytes.Repeat([]byte("x"), 210))
	b.SetBytes(int64(len(e)))
	for b.Loop() {
		if _, ok := event.Len(e); !ok {
			b.Fatal("no end")
		}
	}
}
