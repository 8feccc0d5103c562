package bench

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// found is an event as a test compares it.
type found struct {
	event
	stamp   stamp
	payload string
}

// readAll gives a reader input in pieces of the given sizes, in turn, as a carrier
// does, and returns what it finds.
func readAll(t *testing.T, input []byte, sizes []int, deflate bool) (list []found, err error) {
	t.Helper()
	var r reader
	var rest []byte
	for i := 0; len(input) > 0; i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(input))
		b := append(rest, input[:n]...)
		input = input[n:]
		for {
			e, payload, n, err := r.next(b, deflate)
			if err != nil {
				return list, err
			}
			b = b[n:]
			if e == needMore {
				break
			}
			one := found{event: e, payload: string(payload)}
			if e == gotMessage {
				one.stamp = r.stamp
			}
			list = append(list, one)
		}
		if len(b) > maxRest {
			t.Fatalf("%d bytes are left unread", len(b))
		}
		rest = slices.Clone(b)
	}
	return list, nil
}

// reference is what readAll must return, according to gobwas, but for which breach it
// is: there may be several.
func reference(input []byte) (list []found, err error) {
	src := bytes.NewReader(input)
	var message []byte
	begun := false
	for src.Len() > 0 {
		// A breach is told as soon as the bytes that show it are there: gobwas is
		// shown zeros for those that are missing.
		at := len(input) - src.Len()
		whole := make([]byte, ws.MaxHeaderSize)
		if copy(whole, input[at:]) < 2 {
			return list, nil
		}
		h, err := ws.ReadHeader(bytes.NewReader(whole))
		if err != nil { // the length is negative: the rest is as if it were not
			negative := whole[2]
			whole[2] = 0
			h, _ = ws.ReadHeader(bytes.NewReader(whole))
			whole[2] = negative
		}
		switch {
		case h.Masked || h.OpCode.IsReserved() || h.Rsv&^0x4 != 0:
			return list, ws.ErrProtocolNonZeroRsv
		}
		size := headerSize(whole)
		switch {
		case src.Len() < size:
			return list, nil
		case err != nil:
			return list, err
		}
		state := ws.StateClientSide
		if begun {
			state = state.Set(ws.StateFragmented)
		}
		if err := ws.CheckHeader(h, state); err != nil {
			return list, err
		}
		body := input[at+size:]
		if !h.OpCode.IsControl() && int64(len(message))+h.Length > maxMessage && (begun || !h.Fin || len(body) >= headSize && scan(body).kind == unknown) {
			return list, errMessageLarge
		}
		if int64(src.Len()-size) < h.Length {
			return list, nil
		}
		_, _ = src.Seek(int64(size), io.SeekCurrent)
		payload := make([]byte, h.Length)
		_, _ = io.ReadFull(src, payload)
		switch {
		case h.OpCode == ws.OpPing:
			list = append(list, found{event: gotPing, payload: string(payload)})
		case h.OpCode == ws.OpPong:
			list = append(list, found{event: gotPong, payload: string(payload)})
		case h.OpCode == ws.OpClose:
			list = append(list, found{event: gotClose, payload: string(payload)})
		case !h.Fin:
			begun, message = true, append(message, payload...)
			list = append(list, found{event: gotPart})
		default:
			list = append(list, found{event: gotMessage, stamp: stampOf(append(message, payload...))})
			begun, message = false, nil
		}
	}
	return list, nil
}

func headerSize(b []byte) int {
	switch b[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

func frames(list ...ws.Frame) (input []byte) {
	for _, f := range list {
		b, err := ws.CompileFrame(f)
		if err != nil {
			panic(err)
		}
		input = append(input, b...)
	}
	return input
}

// all is a stream with everything in it that a server may send.
func all() []byte {
	text := fmt.Sprintf(tickText, 8, 1700000000123456)
	odd := `{"data":[` + strings.Repeat("0,", 200) + `0],"ts":2,"seq":9,"type":"ticker"}`
	return frames(
		ws.NewTextFrame([]byte(welcomeText)),
		ws.NewTextFrame([]byte(fmt.Sprintf(snapshotText, 7, 1700000000123456))),
		ws.NewTextFrame([]byte(text)),
		ws.NewPingFrame([]byte("a")),
		ws.NewFrame(ws.OpText, false, []byte(text[:30])),
		ws.NewPingFrame(bytes.Repeat([]byte("b"), 125)),
		ws.NewFrame(ws.OpContinuation, false, nil),
		ws.NewFrame(ws.OpContinuation, true, []byte(text[30:])),
		ws.NewTextFrame(nil),
		ws.NewTextFrame([]byte(odd)),
		ws.NewPongFrame(nil),
		ws.NewTextFrame([]byte(text+strings.Repeat(" ", 1<<16))),
		ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "token expired")),
	)
}

func TestReaderHoweverItIsCut(t *testing.T) {
	input := all()
	want, err := reference(input)
	if err != nil || len(want) != 13 {
		t.Fatal(len(want), err)
	}
	for _, sizes := range [][]int{{len(input)}, {1}, {2}, {3}, {7, 1}, {96}, {100, 3}, {4096}, {1 << 16}} {
		if got, err := readAll(t, input, sizes, false); err != nil || !slices.Equal(got, want) {
			t.Errorf("sizes %v: got %v, %v, want %v", sizes, got, err, want)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(all(), []byte{200})
	f.Add(all()[:1500], []byte{1, 90})
	f.Add([]byte("\x81\x85abcdhello"), []byte{3})
	f.Add([]byte("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), []byte{3})
	f.Add([]byte("\x01\x00\x81\x00"), []byte{1})
	f.Add([]byte("\x81\x7f"+strings.Repeat("0", 104)), []byte{48})
	f.Add([]byte("\xc1\x00\x09\x00\x89\x7e\x00\x7e"), []byte{1})
	f.Fuzz(func(t *testing.T, input, cuts []byte) {
		sizes := []int{len(input)}
		for _, c := range cuts {
			sizes = append(sizes, int(c)+1)
		}
		want, wantErr := reference(input)
		for _, s := range [][]int{sizes[1:], sizes[:1]} {
			if len(s) == 0 {
				continue
			}
			got, err := readAll(t, input, s, false)
			if (err == nil) != (wantErr == nil) || !slices.Equal(got, want) {
				t.Errorf("sizes %v: got %v, %v, want %v, %v", s, got, err, want, wantErr)
			}
		}
	})
}

func deflated(t testing.TB, text string) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

func TestReaderDeflate(t *testing.T) {
	payload := deflated(t, fmt.Sprintf(tickText, 8, 1700000000123456))
	whole := ws.NewTextFrame(payload)
	whole.Header.Rsv = ws.Rsv(true, false, false)
	first := ws.NewFrame(ws.OpText, false, payload[:20])
	first.Header.Rsv = ws.Rsv(true, false, false)
	input := frames(whole, first, ws.NewFrame(ws.OpContinuation, true, payload[20:]))
	want := []found{{event: gotDeflate, payload: string(payload)}, {event: gotPart}, {event: gotDeflate, payload: string(payload)}}
	for _, sizes := range [][]int{{len(input)}, {1}, {50}} {
		if got, err := readAll(t, input, sizes, true); err != nil || !slices.Equal(got, want) {
			t.Errorf("sizes %v: got %v, %v", sizes, got, err)
		}
	}
	if _, err := readAll(t, input, []int{len(input)}, false); err != errReserved {
		t.Errorf("without an agreement: %v", err)
	}
}

func TestInflater(t *testing.T) {
	i := newInflater()
	for range 2 { // the second time from memory
		for text, want := range map[string]stamp{
			fmt.Sprintf(tickText, 8, 9) + strings.Repeat(" ", 1000):                        {8, 9, tick},
			fmt.Sprintf(snapshotText, 7, 9):                                                {7, 9, snapshot},
			`{"seq":1,"data":[` + strings.Repeat("0,", 100) + `0],"ts":2,"type":"ticker"}`: {1, 2, tick},
			welcomeText: {kind: other},
			``:          {kind: other},
		} {
			if got := i.read(deflated(t, text)); got != want {
				t.Errorf("%.50s: got %+v, want %+v", text, got, want)
			}
		}
		if got := i.read([]byte("\xff\xff\xff")); got.kind != other {
			t.Errorf("garbage: %+v", got)
		}
	}
}

// There are more messages than are remembered.
func TestInflaterForgets(t *testing.T) {
	i := newInflater()
	for seq := range uint64(3 * len(i.latest)) {
		if got, want := i.read(deflated(t, tickAt(seq+1, 9))), (stamp{seq + 1, 9, tick}); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
}

// What this package sends, gobwas reads.
func TestAppendFrame(t *testing.T) {
	for _, f := range []ws.Frame{ws.NewPongFrame([]byte("abcdefg")), ws.NewPongFrame(nil), ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))} {
		b := appendFrame(nil, f.Header.OpCode, f.Payload)
		op, payload, err := readClient(bytes.NewReader(b))
		if err != nil || op != f.Header.OpCode || payload != string(f.Payload) {
			t.Errorf("%v: got %v, %q, %v", f, op, payload, err)
		}
	}
}
