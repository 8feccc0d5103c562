package frame

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// reference is what parse must return, according to gobwas's own reader. Where
// the two are meant to differ, the code says so, with "Differs:".
func reference(t *testing.T, input []byte) (o outcome) {
	t.Helper()
	src := bytes.NewReader(input)
	var control []byte
	r := wsutil.Reader{
		Source:         src,
		State:          ws.StateServerSide,
		CheckUTF8:      true,
		MaxMessageSize: maxMessage,
		OnIntermediate: func(_ ws.Header, body io.Reader) (err error) {
			control, err = io.ReadAll(body)
			return err
		},
	}
	var message []byte
	for src.Len() > 0 {
		// Differs: a binary message is refused at its first byte.
		b := input[len(input)-src.Len():]
		if !r.State.Fragmented() && b[0]&(rsvBits|opBits) == byte(ws.OpBinary) {
			o.code = ws.StatusUnsupportedData
			return o
		}

		// Differs: a header can be refused before it is complete. Gobwas is
		// shown one with zeros for what is missing.
		whole := completeHeader(b)
		src.Reset(whole)

		intermediate := r.State.Fragmented()
		h, err := r.NextFrame()
		switch {
		case isProtocolError(err):
			o.code = ws.StatusProtocolError
			return o
		case !minimalLength(b):
			// Differs: gobwas takes any length of a length.
			o.code = ws.StatusProtocolError
			return o
		case err == wsutil.ErrMessageTooLarge:
			o.code = ws.StatusMessageTooBig
			return o
		case err != nil:
			t.Fatalf("gobwas: NextFrame: %v", err)
		case len(whole) > len(b):
			return o
		}

		if intermediate && h.OpCode.IsControl() {
			if len(control) < int(h.Length) || o.control(h.OpCode, control) {
				return o
			}
			continue
		}
		switch err := readFrame(&r, &message, h.Length); {
		case err == wsutil.ErrInvalidUTF8:
			o.code = ws.StatusInvalidFramePayloadData
			return o
		case err == io.ErrUnexpectedEOF:
			return o
		case err == io.EOF:
			payload := message
			message = nil
			if !h.OpCode.IsControl() {
				o.add(ws.OpText, payload)
			} else if o.control(h.OpCode, payload) {
				return o
			}
		case err != nil:
			t.Fatalf("gobwas: Read: %v", err)
		}
	}
	return o
}

func isProtocolError(err error) bool {
	_, ok := errors.AsType[ws.ProtocolError](err)
	return ok || err == ws.ErrHeaderLengthMSB
}

// readFrame appends the length bytes of r's current frame to message, and
// returns io.EOF if the message ends with them.
func readFrame(r *wsutil.Reader, message *[]byte, length int64) error {
	var buf [64]byte
	for {
		n, err := r.Read(buf[:])
		*message = append(*message, buf[:n]...)
		if length -= int64(n); err != nil || length == 0 {
			return err
		}
	}
}

// control adds a control frame and reports whether it is the end.
func (o *outcome) control(op ws.OpCode, payload []byte) (end bool) {
	if op == ws.OpClose && len(payload) > 0 {
		code, reason := ws.ParseCloseFrameData(payload)
		// Differs: gobwas does not know 1012 to 1014, and that 4999 is the last.
		switch {
		case 1012 <= code && code <= 1014:
			code = ws.StatusNormalClosure
		case code > 4999:
			code = ws.StatusAbnormalClosure
		}
		switch err := ws.CheckCloseFrameData(code, reason); err {
		case nil:
		case ws.ErrProtocolInvalidUTF8:
			o.code = ws.StatusInvalidFramePayloadData
			return true
		default:
			o.code = ws.StatusProtocolError
			return true
		}
	}
	o.add(op, payload)
	return op == ws.OpClose
}

// completeHeader returns b, with its header's missing bytes added.
func completeHeader(b []byte) []byte {
	whole := slices.Clip(b)
	if len(whole) < 2 {
		whole = append(whole, maskBit)
	}
	length := map[byte]int{length16: 2, length64: 8}[whole[1]&lengthBits]
	if len(whole) < 2+length {
		whole = append(whole[:2:2], make([]byte, length)...)
	}
	if size := 2 + length + 4; len(whole) < size && whole[1]&maskBit != 0 {
		whole = append(whole, make([]byte, size-len(whole))...)
	}
	return whole
}

// minimalLength reports whether the length in the header that b begins with can
// still turn out to be in its shortest form, which is 7 bits in control frames.
func minimalLength(b []byte) bool {
	switch {
	case len(b) < 2:
		return true
	case ws.OpCode(b[0] & opBits).IsControl():
		return b[1]&lengthBits < length16
	case b[1]&lengthBits == length16 && len(b) >= 4:
		return bytes.Compare(b[2:4], []byte{0, 126}) >= 0
	case b[1]&lengthBits == length64 && len(b) >= 10:
		return bytes.Compare(b[2:10], []byte{0, 0, 0, 0, 0, 1, 0, 0}) >= 0
	}
	return true
}

// agree fails if the parser and gobwas see different things in input, and if it
// matters how it arrives.
func agree(t *testing.T, input []byte, rng *rand.Rand) {
	t.Helper()
	want := reference(t, input)
	if got := parse(t, input, maxMessage); !reflect.DeepEqual(got, want) {
		t.Fatalf("%x: got %q %d, gobwas: %q %d", input, got.frames, got.code, want.frames, want.code)
	}
	for range 4 {
		cuts := randomCuts(rng, len(input))
		if got := parse(t, input, maxMessage, cuts...); !reflect.DeepEqual(got, want) {
			t.Fatalf("%x cut at %v: got %q %d, gobwas: %q %d", input, cuts, got.frames, got.code, want.frames, want.code)
		}
	}
}

func TestAgreesWithGobwas(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, tt := range messages {
		agree(t, tt.input, rng)
	}
	for _, tt := range breaches {
		for n := range tt.input {
			agree(t, tt.input[:n], rng)
		}
		agree(t, tt.input, rng)
	}
}

// TestAgreesWithGobwasOnRandomFrames gets further than random bytes do: most of
// its frames, but not all, are good.
func TestAgreesWithGobwasOnRandomFrames(t *testing.T) {
	const inputs = 20_000
	pick := func(rng *rand.Rand, from []string) string { return from[rng.IntN(len(from))] }
	good := []string{"", "a", "é", "\U0001F600", long[:124], long[:126]}
	torn := []string{"\xc3", "\xa9", goingOn, "\x80", "\xed", "\xed\xa0", "\xff"}
	between := string([]byte{text, start, ping, pong})
	within := string([]byte{middle, middle, final, ping, pong})
	refused := make(map[ws.StatusCode]int)
	for i := range inputs {
		rng := rand.New(rand.NewPCG(3, uint64(i)))
		var input []byte
		for open := false; rng.IntN(10) > 0; {
			firsts, payloads := between, good
			if open {
				firsts = within
			}
			if rng.IntN(10) == 0 {
				payloads = torn
			}
			first, payload := firsts[rng.IntN(len(firsts))], pick(rng, payloads)
			switch rng.IntN(40) {
			case 0:
				first = byte(rng.Uint32())
			case 1:
				first = blob
			case 2:
				first, payload = closing, string([]byte{byte(rng.IntN(20)), byte(rng.Uint32())})+payload
			}
			frame := client(first, payload)
			if rng.IntN(40) == 0 {
				frame[rng.IntN(len(frame))] ^= 1 << rng.IntN(8)
			}
			input = append(input, frame...)
			if !ws.OpCode(first & opBits).IsControl() {
				open = first&finBit == 0
			}
		}
		agree(t, input, rng)
		refused[parse(t, input, maxMessage).code]++
	}
	for _, code := range []ws.StatusCode{0, 1002, 1003, 1007, 1009} {
		if refused[code] < inputs/200 {
			t.Errorf("%d of %d inputs ended with %d, too few to test it", refused[code], inputs, code)
		}
	}
}

func FuzzParser(f *testing.F) {
	for _, tt := range messages {
		f.Add(tt.input, uint64(0))
	}
	for _, tt := range breaches {
		f.Add(tt.input, uint64(0))
	}
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) {
		agree(t, input, rand.New(rand.NewPCG(seed, 0)))
	})
}
