package frame

import (
	"bytes"
	stdflate "compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"
)

// reference is what a parser must find, according to gobwas's own reader. Where
// the two are meant to differ, the code says so, with "Differs:".
func reference(t *testing.T, input []byte, deflate bool) (o outcome) {
	t.Helper()
	src := bytes.NewReader(input)
	var control []byte
	var compression wsflate.MessageState
	r := wsutil.Reader{
		Source: src,
		State:  ws.StateServerSide,
		OnIntermediate: func(_ ws.Header, body io.Reader) (err error) {
			control, err = io.ReadAll(body)
			return err
		},
	}
	allowed := byte(0)
	if deflate {
		r.State = r.State.Set(ws.StateExtended)
		r.Extensions = []wsutil.RecvExtension{&compression}
		allowed = rsv1Bit
	}
	var message []byte
	var deflated bool
	for src.Len() > 0 {
		b := input[len(input)-src.Len():]
		switch first := !r.State.Fragmented(); {
		case b[0]&rsvBits&^allowed != 0:
			// Differs: with an extension, gobwas takes all reserved bits.
			o.code = ws.StatusProtocolError
			return o
		case first && b[0]&opBits == byte(ws.OpBinary):
			// Differs: a binary message is refused at its first byte.
			o.code = ws.StatusUnsupportedData
			return o
		case first:
			deflated = b[0]&rsv1Bit != 0
		}
		// Differs: gobwas knows one limit, and would check compressed text.
		r.CheckUTF8, r.MaxMessageSize = !deflated, maxMessage
		if deflated {
			r.MaxMessageSize = int64(deflateBound(maxMessage))
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
			if _, err := compression.UnsetBits(h); err != nil && deflate {
				// Differs: gobwas looks at the length first.
				o.code = ws.StatusProtocolError
			}
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
			switch {
			case h.OpCode.IsControl():
				if o.control(h.OpCode, payload) {
					return o
				}
			case deflated:
				payload, o.code = inflateByReference(payload)
				if o.code != 0 {
					return o
				}
				o.add(ws.OpText, payload)
			default:
				o.add(ws.OpText, payload)
			}
		case err != nil:
			t.Fatalf("gobwas: Read: %v", err)
		}
	}
	return o
}

// inflateByReference inflates a message with gobwas's reader and the standard
// library's decompressor.
func inflateByReference(deflated []byte) (message []byte, code ws.StatusCode) {
	var source *countingReader
	r := wsflate.NewReader(bytes.NewReader(deflated), func(r io.Reader) wsflate.Decompressor {
		source = &countingReader{r.(byteReader), 0}
		return stdflate.NewReader(source)
	})
	message, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
	if len(message) > maxMessage {
		return nil, ws.StatusMessageTooBig
	}
	// Differs: gobwas ignores what follows a final block.
	const tail = 9
	read := source.n
	whole := read == len(deflated)+tail || read == len(deflated) || read == len(deflated)-1 && deflated[read] == 0
	if err != nil || !whole || !utf8.Valid(message) {
		return nil, ws.StatusInvalidFramePayloadData
	}
	return message, 0
}

type byteReader interface {
	io.Reader
	io.ByteReader
}

// countingReader counts what is read from it.
type countingReader struct {
	byteReader
	n int
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.byteReader.Read(p)
	r.n += n
	return n, err
}

func (r *countingReader) ReadByte() (byte, error) {
	b, err := r.byteReader.ReadByte()
	if err == nil {
		r.n++
	}
	return b, err
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
func agree(t *testing.T, input []byte, deflate bool, rng *rand.Rand) {
	t.Helper()
	want := reference(t, input, deflate)
	check := func(cuts ...int) {
		t.Helper()
		got := parseBy(t, &Parser{MaxMessage: maxMessage, Deflate: deflate}, input, cuts...)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%x cut at %v, deflate %v: got %q %d, gobwas: %q %d", input, cuts, deflate, got.frames, got.code, want.frames, want.code)
		}
	}
	check()
	for range 4 {
		check(randomCuts(rng, len(input))...)
	}
}

func TestAgreesWithGobwas(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, deflate := range []bool{false, true} {
		for _, input := range samples() {
			for n := range len(input) + 1 {
				agree(t, input[:n], deflate, rng)
			}
		}
	}
}

// samples are the inputs of the other tests.
func samples() (list [][]byte) {
	for _, tt := range messages {
		list = append(list, tt.input)
	}
	for _, tt := range breaches {
		list = append(list, tt.input)
	}
	for _, tt := range deflatedMessages {
		list = append(list, tt.input)
	}
	for _, tt := range deflatedBreaches {
		list = append(list, tt.input)
	}
	return list
}

// A conversation makes up what a client may send: most of its frames, but not all,
// are good.
type conversation struct {
	rng     *rand.Rand
	deflate bool
	input   []byte

	rest []byte // of the message that is being sent
	open bool   // it has begun
}

func (c *conversation) pick(from ...string) string { return from[c.rng.IntN(len(from))] }

// message makes up a message, and gives the first byte of its first frame.
func (c *conversation) message() (first byte) {
	c.rest = []byte(c.pick("", "a", "é", "\U0001F600", long[:124], long[:126], long))
	if c.rng.IntN(10) == 0 {
		c.rest = []byte(c.pick("\xc3", "\xa9", goingOn, "\x80", "\xed", "\xed\xa0", "\xff", long+"a"))
	}
	if !c.deflate || c.rng.IntN(3) == 0 {
		return start
	}
	var b bytes.Buffer
	Deflate(&b, c.rest)
	c.rest = b.Bytes()
	if c.rng.IntN(10) == 0 && len(c.rest) > 0 {
		c.rest[c.rng.IntN(len(c.rest))] ^= 1 << c.rng.IntN(8)
	}
	return start | rsv1Bit
}

// frame adds a frame.
func (c *conversation) frame() {
	first, payload := middle, ""
	switch {
	case c.rng.IntN(4) == 0:
		first, payload = []byte{ping, pong}[c.rng.IntN(2)], c.pick("", "1", "\xff", long[:124])
	case c.rng.IntN(60) == 0:
		first, payload = closing, string([]byte{byte(c.rng.IntN(20)), byte(c.rng.Uint32())})+c.pick("", "é", "\xff")
	case c.rng.IntN(60) == 0:
		first = blob
	default:
		if !c.open {
			first = c.message()
		}
		n := c.rng.IntN(len(c.rest) + 1)
		if c.rng.IntN(2) == 0 {
			n = len(c.rest)
			first |= finBit
		}
		payload, c.rest = string(c.rest[:n]), c.rest[n:]
		c.open = first&finBit == 0
	}
	if c.rng.IntN(40) == 0 {
		first = byte(c.rng.Uint32())
	}
	frame := client(first, payload)
	if c.rng.IntN(60) == 0 {
		frame[c.rng.IntN(len(frame))] ^= 1 << c.rng.IntN(8)
	}
	c.input = append(c.input, frame...)
}

// TestAgreesWithGobwasOnRandomFrames gets further than random bytes do.
func TestAgreesWithGobwasOnRandomFrames(t *testing.T) {
	const inputs = 5_000
	for _, deflate := range []bool{false, true} {
		refused := make(map[ws.StatusCode]int)
		for i := range inputs {
			c := conversation{rng: rand.New(rand.NewPCG(3, uint64(i))), deflate: deflate}
			for c.rng.IntN(12) > 0 {
				c.frame()
			}
			agree(t, c.input, deflate, c.rng)
			refused[parseBy(t, &Parser{MaxMessage: maxMessage, Deflate: deflate}, c.input).code]++
		}
		for _, code := range []ws.StatusCode{0, 1002, 1003, 1007, 1009} {
			if refused[code] < inputs/200 {
				t.Errorf("%d of %d inputs ended with %d, too few to test it", refused[code], inputs, code)
			}
		}
	}
}

// FuzzParser holds the parser against gobwas's reader on any bytes.
func FuzzParser(f *testing.F) {
	for _, input := range samples() {
		f.Add(input, uint64(0), false)
		f.Add(input, uint64(0), true)
	}
	f.Fuzz(func(t *testing.T, input []byte, seed uint64, deflate bool) {
		agree(t, input, deflate, rand.New(rand.NewPCG(seed, 0)))
	})
}

// FuzzConversation does so on frames, of which it says what they are: fragments,
// control frames between them, masks, lengths in any form, compressed messages.
func FuzzConversation(f *testing.F) {
	f.Add([]byte{start, 1, final, 3, ping, 0}, []byte("abcd"), uint32(0), uint64(1), false)
	f.Add([]byte{start | rsv1Bit, 2, pong, 1, middle, 2, final, 255}, []byte("abcdefgh"), uint32(1<<31), uint64(2), true)
	f.Fuzz(func(t *testing.T, frames, payload []byte, mask uint32, seed uint64, deflate bool) {
		if deflate {
			var b bytes.Buffer
			Deflate(&b, payload)
			payload = b.Bytes()
		}
		var input []byte
		for len(frames) >= 2 {
			n := min(int(frames[1])*3, len(payload))
			frame := ws.NewFrame(ws.OpCode(frames[0]&opBits), frames[0]&finBit != 0, payload[:n])
			frame.Header.Rsv = frames[0] & rsvBits >> 4
			if mask != 0 {
				frame = ws.MaskFrameWith(frame, [4]byte{byte(mask), byte(mask >> 8), byte(mask >> 16), byte(mask >> 24)})
			}
			input = append(input, ws.MustCompileFrame(frame)...)
			frames, payload = frames[2:], payload[n:]
		}
		agree(t, input, deflate, rand.New(rand.NewPCG(seed, 0)))
	})
}
