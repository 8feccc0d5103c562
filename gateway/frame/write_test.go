package frame

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// server returns a server's frame as gobwas encodes it.
func server(op ws.OpCode, payload string) []byte {
	return ws.MustCompileFrame(ws.NewFrame(op, true, []byte(payload)))
}

func TestAppend(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 17} {
		payload := bytes.Repeat([]byte("a"), size)
		if got, want := AppendText(nil, payload), server(ws.OpText, string(payload)); !bytes.Equal(got, want) {
			t.Errorf("AppendText of %d bytes begins with %x, want %x", size, got[:min(len(got), 10)], want[:min(len(want), 10)])
		}
		cut := string(payload[:min(size, 125)])
		if got, want := AppendPing(nil, payload), server(ws.OpPing, cut); !bytes.Equal(got, want) {
			t.Errorf("AppendPing of %d bytes: %x, want %x", size, got, want)
		}
		if got, want := AppendPong(nil, payload), server(ws.OpPong, cut); !bytes.Equal(got, want) {
			t.Errorf("AppendPong of %d bytes: %x, want %x", size, got, want)
		}
	}
}

func TestAppendClose(t *testing.T) {
	for _, tt := range []struct {
		code   ws.StatusCode
		reason string
		want   string
	}{
		{1000, "", "\x03\xe8"},
		{4001, "schön", "\x0f\xa1schön"},
		{1000, strings.Repeat("a", 123), "\x03\xe8" + strings.Repeat("a", 123)},
		{1000, strings.Repeat("a", 124), "\x03\xe8" + strings.Repeat("a", 123)},
		{1000, strings.Repeat("a", 122) + "é", "\x03\xe8" + strings.Repeat("a", 122)},
		{1000, strings.Repeat("a", 120) + "\U0001F600", "\x03\xe8" + strings.Repeat("a", 120)},
		{1000, strings.Repeat("a", 119) + "\U0001F600", "\x03\xe8" + strings.Repeat("a", 119) + "\U0001F600"},
		{1000, "ab\xffcd", "\x03\xe8ab"},
		{1005, "unsaid", ""},
		{1006, "unsaid", ""},
		{0, "unsaid", ""},
	} {
		if got, want := AppendClose(nil, tt.code, tt.reason), server(ws.OpClose, tt.want); !bytes.Equal(got, want) {
			t.Errorf("AppendClose(%d, %q) = %q, want %q", tt.code, tt.reason, got, want)
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		b := AppendText(buf, []byte("tick"))
		b = AppendPing(b, []byte("1"))
		b = AppendPong(b, []byte("2"))
		_ = AppendClose(b, 1001, "draining")
	}); n != 0 {
		t.Errorf("%v allocations with room enough", n)
	}
	want := "\x81\x04tick\x89\x011\x8a\x012\x88\x0a\x03\xe9draining"
	if got := string(buf[:len(want)]); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLen(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 17} {
		frame := AppendText(nil, make([]byte, size))
		header := len(frame) - size
		for n := range min(len(frame), 12) + 1 {
			got, ok := Len(frame[:n])
			if ok != (n >= header) || ok && got != len(frame) {
				t.Errorf("Len of the first %d of %d bytes = %d, %v", n, len(frame), got, ok)
			}
		}
		if got, ok := Len(append(frame, frame...)); !ok || got != len(frame) {
			t.Errorf("Len of two frames of %d bytes = %d, %v", len(frame), got, ok)
		}
	}
}

// FuzzAppend has gobwas read whatever is written.
func FuzzAppend(f *testing.F) {
	f.Add([]byte("hello"), uint16(1000), "schön")
	f.Add(make([]byte, 126), uint16(1005), strings.Repeat("é", 62))
	f.Add(make([]byte, 65536), uint16(4999), "\xff")
	f.Fuzz(func(t *testing.T, payload []byte, code uint16, reason string) {
		var b []byte
		b = AppendText(b, payload)
		b = AppendPing(b, payload)
		b = AppendPong(b, payload)
		b = AppendClose(b, ws.StatusCode(code), reason)
		for _, op := range []ws.OpCode{ws.OpText, ws.OpPing, ws.OpPong, ws.OpClose} {
			src := bytes.NewReader(b)
			header, err := ws.ReadHeader(src)
			if err == nil {
				err = ws.CheckHeader(header, ws.StateClientSide)
			}
			got := make([]byte, header.Length)
			if err == nil {
				_, err = io.ReadFull(src, got)
			}
			if err != nil {
				t.Fatal(err)
			}
			if header.OpCode != op {
				t.Errorf("opcode %d, want %d", header.OpCode, op)
			}
			if n, ok := Len(b); !ok || n != len(b)-src.Len() {
				t.Errorf("Len = %d, %v, want %d", n, ok, len(b)-src.Len())
			}
			b = b[len(b)-src.Len():]

			want := payload
			switch {
			case op == ws.OpClose:
				if err := checkClose(got); err != nil {
					t.Errorf("%q: %v", got, err)
				}
				_, said := ParseClose(got)
				if rest, ok := strings.CutPrefix(reason, said); !ok {
					t.Errorf("reason %q became %q", reason, said)
				} else if r, size := utf8.DecodeRuneInString(rest); len(got) >= 2 && len(got)+size <= 125 && r != utf8.RuneError {
					t.Errorf("reason %q became %q, and more would fit", reason, said)
				}
				continue
			case op.IsControl():
				want = want[:min(len(want), 125)]
			}
			if !bytes.Equal(got, want) {
				t.Errorf("opcode %d: payload %q, want %q", op, got, want)
			}
		}
		if len(b) != 0 {
			t.Errorf("%q is left", b)
		}
	})
}
