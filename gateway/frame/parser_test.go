package frame

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

// maxMessage is the limit in every test that names none. It is above 125, so
// that it never touches a control frame, and takes a 16-bit length.
const maxMessage = 300

// First bytes of frames.
const (
	text    = finBit | byte(ws.OpText)
	start   = byte(ws.OpText)
	middle  = byte(ws.OpContinuation)
	final   = finBit | byte(ws.OpContinuation)
	blob    = finBit | byte(ws.OpBinary)
	closing = finBit | byte(ws.OpClose)
	ping    = finBit | byte(ws.OpPing)
	pong    = finBit | byte(ws.OpPong)

	goingOn = "\xf0\x9f\x98" // U+1F600 without its last byte
	tooBig  = maxMessage + 1
)

// client returns a client's frame as gobwas encodes it.
func client(first byte, payload string) []byte {
	f := ws.NewFrame(ws.OpCode(first&opBits), first&finBit != 0, []byte(payload))
	f.Header.Rsv = first & rsvBits >> 4
	return ws.MustCompileFrame(ws.MaskFrameWith(f, [4]byte{0xa1, 0x52, 0x03, 0xf4}))
}

// raw returns a masked frame whose length field is written out.
func raw(first byte, length string, payload string) []byte {
	b := append([]byte{first}, length...)
	b = append(b, 0, 0, 0, 0)
	return append(b, payload...)
}

func cat(frames ...[]byte) []byte { return slices.Concat(frames...) }

// outcome is everything that a parser's user sees of a client's bytes.
type outcome struct {
	frames []string      // "text hello"
	code   ws.StatusCode // 0: no error
}

func (o *outcome) add(op ws.OpCode, payload []byte) {
	names := map[ws.OpCode]string{ws.OpText: "text", ws.OpPing: "ping", ws.OpPong: "pong", ws.OpClose: "close"}
	o.frames = append(o.frames, names[op]+" "+string(payload))
}

// parse feeds input, cut before each of the offsets, to a new parser.
func parse(t *testing.T, input []byte, limit int, cuts ...int) outcome {
	t.Helper()
	return parseBy(t, &Parser{MaxMessage: limit}, input, cuts...)
}

// parseBy is parse by a given new parser.
func parseBy(t *testing.T, r *Parser, input []byte, cuts ...int) (o outcome) {
	t.Helper()
	on := func(op ws.OpCode, payload []byte) error {
		o.add(op, payload)
		return nil
	}
	from := 0
	for _, to := range append(cuts, len(input)) {
		// A copy of its own shows if the parser keeps a reference to it.
		piece := slices.Clone(input[from:to])
		err := r.Feed(piece, on)
		clear(piece)
		if err != nil {
			var breach *Error
			if !errors.As(err, &breach) {
				t.Fatalf("Feed: %v, want an *Error", err)
			}
			o.code = breach.Code
			break
		}
		from = to
	}
	return o
}

// parseEveryWay is parse for input in one piece, and fails if any other
// delivery gives another outcome.
func parseEveryWay(t *testing.T, input []byte, limit int) outcome {
	t.Helper()
	return everyWay(t, input, func(cuts ...int) outcome {
		return parse(t, input, limit, cuts...)
	})
}

// everyWay calls parse, which may cut input, without any cuts, and fails if cuts
// lead to another outcome.
func everyWay(t *testing.T, input []byte, parse func(cuts ...int) outcome) outcome {
	t.Helper()
	want := parse()
	check := func(cuts ...int) {
		t.Helper()
		if got := parse(cuts...); !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at %v: %q %d, in one piece: %q %d", cuts, got.frames, got.code, want.frames, want.code)
		}
	}
	everywhere := make([]int, len(input))
	for i := range everywhere {
		everywhere[i] = i
		check(i)
	}
	check(everywhere...)
	rng := rand.New(rand.NewPCG(1, uint64(len(input))))
	for range 50 {
		check(randomCuts(rng, len(input))...)
	}
	return want
}

func randomCuts(rng *rand.Rand, length int) []int {
	cuts := make([]int, rng.IntN(8))
	for i := range cuts {
		cuts[i] = rng.IntN(length + 1)
	}
	slices.Sort(cuts)
	return cuts
}

var long = strings.Repeat("é", maxMessage/2)

// messages holds inputs that break no rule, and what is found in them.
var messages = map[string]struct {
	input []byte
	want  []string
}{
	"nothing":                        {nil, nil},
	"text":                           {client(text, "hello"), []string{"text hello"}},
	"empty text":                     {client(text, ""), []string{"text "}},
	"several":                        {cat(client(text, "a"), client(ping, "b"), client(pong, "c"), client(text, "d")), []string{"text a", "ping b", "pong c", "text d"}},
	"longest 7-bit length":           {client(text, long[:124]+"."), []string{"text " + long[:124] + "."}},
	"shortest 16-bit length":         {client(text, long[:126]), []string{"text " + long[:126]}},
	"as big as allowed":              {client(text, long), []string{"text " + long}},
	"longest control frame":          {client(ping, long[:124]+"."), []string{"ping " + long[:124] + "."}},
	"control payload is not text":    {cat(client(ping, "\xff"), client(pong, "\xfe")), []string{"ping \xff", "pong \xfe"}},
	"fragments":                      {cat(client(start, "a"), client(middle, "b"), client(final, "c"), client(text, "d")), []string{"text abc", "text d"}},
	"empty fragments":                {cat(client(start, ""), bytes.Repeat(client(middle, ""), 20), client(final, "")), []string{"text "}},
	"fragments as big as allowed":    {cat(client(start, long[:100]), client(middle, long[100:200]), client(final, long[200:])), []string{"text " + long}},
	"limit is for each message":      {cat(client(text, long), client(text, long)), []string{"text " + long, "text " + long}},
	"control frames among fragments": {cat(client(start, "a"), client(ping, "1"), client(middle, "b"), client(pong, ""), client(final, "c")), []string{"ping 1", "pong ", "text abc"}},
	"control frames do not add up":   {cat(client(start, long[:200]), client(ping, long[:100]), client(ping, long[:100]), client(final, long[200:])), []string{"ping " + long[:100], "ping " + long[:100], "text " + long}},
	"a character in two fragments":   {cat(client(start, goingOn), client(final, "\x80.")), []string{"text \U0001F600."}},
	"a character in many":            {cat(client(start, "\xf0"), client(middle, "\x9f"), client(ping, "\x98"), client(middle, ""), client(middle, "\x98"), client(final, "\x80")), []string{"ping \x98", "text \U0001F600"}},
	"last character":                 {client(text, "\U0010FFFF"), []string{"text \U0010FFFF"}},
	"close":                          {client(closing, ""), []string{"close "}},
	"close with code":                {client(closing, "\x03\xe8"), []string{"close \x03\xe8"}},
	"close with reason":              {client(closing, "\x03\xe8schön"), []string{"close \x03\xe8schön"}},
	"close within a message":         {cat(client(start, "a"), client(closing, "\x03\xe8")), []string{"close \x03\xe8"}},
	"text after close":               {cat(client(closing, ""), client(text, "a")), []string{"close "}},
	"breach after close":             {cat(client(closing, ""), client(0xff, "a")), []string{"close "}},
}

func TestMessages(t *testing.T) {
	for name, tt := range messages {
		t.Run(name, func(t *testing.T) {
			got := parseEveryWay(t, tt.input, maxMessage)
			if want := (outcome{frames: tt.want}); !reflect.DeepEqual(got, want) {
				t.Errorf("got %q %d, want %q", got.frames, got.code, want.frames)
			}
		})
	}
}

func TestLongMessages(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{65535, 65536, 100_000} {
		message := strings.Repeat("€", size/3+1)[:size-size%3] + "abc"[:size%3]
		input := cat(client(text, message), client(start, message[:size/2]), client(final, message[size/2:]))
		want := outcome{frames: []string{"text " + message, "text " + message}}
		for range 20 {
			if got := parse(t, input, size, randomCuts(rng, len(input))...); !reflect.DeepEqual(got, want) {
				t.Fatalf("%d bytes: %d messages, %d", size, len(got.frames), got.code)
			}
		}
		if got := parse(t, input, size-1); got.code != 1009 {
			t.Errorf("%d bytes are not too many for %d", size, size-1)
		}
	}
}

// breaches holds inputs that are refused with a code as soon as the first so
// many bytes have arrived; 0 stands for all of them.
var breaches = map[string]struct {
	input []byte
	code  ws.StatusCode
	after int
}{
	"RSV1":                         {client(text|0x40, "a"), 1002, 1},
	"RSV2":                         {client(text|0x20, "a"), 1002, 1},
	"RSV3":                         {client(text|0x10, "a"), 1002, 1},
	"RSV1 of a control frame":      {client(ping|0x40, "a"), 1002, 1},
	"RSV before binary":            {client(blob|0x40, "a"), 1002, 1},
	"not masked":                   {[]byte{text, 1, 'a'}, 1002, 2},
	"empty, not masked":            {[]byte{text, 0}, 1002, 2},
	"ping, not masked":             {[]byte{ping, 0}, 1002, 2},
	"fragmented close":             {client(byte(ws.OpClose), ""), 1002, 1},
	"fragmented ping":              {client(byte(ws.OpPing), ""), 1002, 1},
	"fragmented pong":              {client(byte(ws.OpPong), ""), 1002, 1},
	"ping of 126":                  {client(ping, strings.Repeat("a", 126)), 1002, 2},
	"pong of 126":                  {client(pong, strings.Repeat("a", 126)), 1002, 2},
	"close of 126":                 {client(closing, "\x03\xe8"+strings.Repeat("a", 124)), 1002, 2},
	"ping of 65536":                {raw(ping, "\xff\x00\x00\x00\x00\x00\x01\x00\x00", ""), 1002, 2},
	"continuation of nothing":      {client(middle, "a"), 1002, 1},
	"end of nothing":               {client(final, "a"), 1002, 1},
	"continuation after the end":   {cat(client(text, ""), client(final, "")), 1002, 7},
	"text in a message":            {cat(client(start, ""), client(text, "")), 1002, 7},
	"start in a message":           {cat(client(start, ""), client(start, "")), 1002, 7},
	"binary in a message":          {cat(client(start, ""), client(blob, "")), 1002, 7},
	"text in a message after ping": {cat(client(start, ""), client(ping, ""), client(text, "")), 1002, 13},
	"125 in 16 bits":               {raw(text, "\xfe\x00\x7d", ""), 1002, 4},
	"0 in 16 bits":                 {raw(text, "\xfe\x00\x00", ""), 1002, 4},
	"0 in 64 bits":                 {raw(text, "\xff\x00\x00\x00\x00\x00\x00\x00\x00", ""), 1002, 10},
	"65535 in 64 bits":             {raw(text, "\xff\x00\x00\x00\x00\x00\x00\xff\xff", ""), 1002, 10},
	"ping of 1 in 16 bits":         {raw(ping, "\xfe\x00\x01", "a"), 1002, 2},
	"top bit of the length":        {raw(text, "\xff\x80\x00\x00\x00\x00\x00\x00\x00", ""), 1002, 10},
	"all bits of the length":       {raw(text, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", ""), 1002, 10},
	"binary":                       {client(blob, "a"), 1003, 1},
	"empty binary":                 {client(blob, ""), 1003, 1},
	"fragmented binary":            {client(byte(ws.OpBinary), "a"), 1003, 1},
	"binary, not masked":           {[]byte{blob, 1, 'a'}, 1003, 1},
	"too big":                      {client(text, strings.Repeat("a", tooBig)), 1009, 4},
	"too big in 64 bits":           {raw(text, "\xff\x00\x00\x00\x00\x00\x01\x00\x00", ""), 1009, 10},
	"biggest length":               {raw(text, "\xff\x7f\xff\xff\xff\xff\xff\xff\xff", ""), 1009, 10},
	"too big a fragment":           {client(start, strings.Repeat("a", tooBig)), 1009, 4},
	"too big in two fragments":     {cat(client(start, "a"), client(final, strings.Repeat("a", maxMessage))), 1009, 7 + 4},
	"too big in three fragments":   {cat(client(start, strings.Repeat("a", 150)), client(middle, strings.Repeat("a", 150)), client(final, "a")), 1009, 2*158 + 2},
	"not UTF-8":                    {client(text, "a\xffb"), 1007, 6 + 2},
	"continuation byte":            {client(text, "\x80bc"), 1007, 6 + 1},
	"overlong":                     {client(text, "\xc0\x80a"), 1007, 6 + 1},
	"overlong in three bytes":      {client(text, "\xe0\x80\x80"), 1007, 6 + 2},
	"surrogate":                    {client(text, "\xed\xa0\x80"), 1007, 6 + 2},
	"above U+10FFFF":               {client(text, "\xf4\x90\x80\x80"), 1007, 6 + 2},
	"no character starts so":       {client(text, "\xf5\x80\x80\x80"), 1007, 6 + 1},
	"character cut short":          {client(text, goingOn+"a"), 1007, 6 + 4},
	"ends in a character":          {client(text, goingOn), 1007, 6 + 3},
	"end of fragments too":         {cat(client(start, goingOn), client(final, "")), 1007, 9 + 6},
	"cut short in a fragment":      {cat(client(start, goingOn), client(middle, "ab")), 1007, 9 + 7},
	"not UTF-8 in a fragment":      {cat(client(start, "ab"), client(middle, "\xed\xb0\x80"), client(ping, "")), 1007, 8 + 6 + 2},
	"close with half a code":       {client(closing, "\x03"), 1002, 0},
	"close reason is not UTF-8":    {client(closing, "\x03\xe8\xff"), 1007, 0},
	"close reason ends early":      {client(closing, "\x03\xe8"+goingOn), 1007, 0},
}

func TestBreaches(t *testing.T) {
	for name, tt := range breaches {
		t.Run(name, func(t *testing.T) {
			got := parseEveryWay(t, tt.input, maxMessage)
			if got.code != tt.code {
				t.Fatalf("got %q %d, want %d", got.frames, got.code, tt.code)
			}
			after := tt.after
			if after == 0 {
				after = len(tt.input)
			}
			if code := parse(t, tt.input[:after-1], maxMessage).code; code != 0 {
				t.Errorf("refused after %d bytes, want %d", after-1, after)
			}
			if code := parse(t, tt.input[:after], maxMessage).code; code != tt.code {
				t.Errorf("not refused after %d bytes", after)
			}
		})
	}
}

func TestOpCodes(t *testing.T) {
	known := map[byte]ws.StatusCode{0: 0, 1: 0, 2: 1003, 8: 0, 9: 0, 10: 0}
	for op := range byte(16) {
		want, ok := known[op]
		if !ok {
			want = 1002
		}
		input := client(finBit|op, "")
		if op == middle {
			input = cat(client(start, ""), input)
		}
		if got := parseEveryWay(t, input, maxMessage).code; got != want {
			t.Errorf("opcode %d: %d, want %d", op, got, want)
		}
	}
}

func TestCloseCodes(t *testing.T) {
	for code := range 1 << 16 {
		want := ws.StatusCode(1002)
		switch code {
		case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014:
			want = 0
		default:
			if code/1000 == 3 || code/1000 == 4 {
				want = 0
			}
		}
		input := client(closing, string([]byte{byte(code >> 8), byte(code)}))
		if got := parse(t, input, maxMessage).code; got != want {
			t.Errorf("close code %d: %d, want %d", code, got, want)
		}
	}
}

func TestParseClose(t *testing.T) {
	for _, tt := range []struct {
		payload string
		code    ws.StatusCode
		reason  string
	}{
		{"", 1005, ""},
		{"\x03\xe8", 1000, ""},
		{"\x0f\xa1schön", 4001, "schön"},
	} {
		code, reason := ParseClose([]byte(tt.payload))
		if code != tt.code || reason != tt.reason {
			t.Errorf("ParseClose(%q) = %d %q, want %d %q", tt.payload, code, reason, tt.code, tt.reason)
		}
	}
}

func TestErrorIsFinal(t *testing.T) {
	r := Parser{MaxMessage: maxMessage}
	on := func(op ws.OpCode, payload []byte) error {
		t.Errorf("%v %q passed on", op, payload)
		return nil
	}
	first := r.Feed(client(blob, "a"), on)
	if want := "websocket: binary messages are not supported (1003)"; first == nil || first.Error() != want {
		t.Fatalf("Feed: %v, want %s", first, want)
	}
	for range 2 {
		if err := r.Feed(client(text, "a"), on); err != first {
			t.Errorf("Feed after %v: %v", first, err)
		}
	}
}

func TestErrorOfCallbackIsFinal(t *testing.T) {
	for _, op := range []byte{text, ping, closing} {
		r := Parser{MaxMessage: maxMessage}
		enough, calls := errors.New("enough"), 0
		on := func(ws.OpCode, []byte) error {
			calls++
			return enough
		}
		for range 2 {
			if err := r.Feed(cat(client(op, ""), client(text, "")), on); err != enough {
				t.Errorf("Feed: %v, want what the callback returned", err)
			}
		}
		if calls != 1 {
			t.Errorf("%d calls, want 1", calls)
		}
	}
}

func TestZeroParserTakesNoText(t *testing.T) {
	want := outcome{frames: []string{"text ", "ping a"}, code: 1009}
	if got := parseEveryWay(t, cat(client(text, ""), client(ping, "a"), client(text, "a")), 0); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q %d, want %q %d", got.frames, got.code, want.frames, want.code)
	}
}

func TestPayloadIsPartOfInput(t *testing.T) {
	r := Parser{MaxMessage: maxMessage}
	input := cat(client(text, "first"), client(text, "second"))
	var got []string
	err := r.Feed(input, func(_ ws.OpCode, payload []byte) error {
		if &payload[0] != &input[6+len(got)*(5+6)] {
			t.Errorf("%q was copied", payload)
		}
		got = append(got, string(payload))
		_ = append(payload, "overwritten"...) // must not reach the next frame
		return nil
	})
	if want := []string{"first", "second"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q %v, want %q", got, err, want)
	}
}

func discard(ws.OpCode, []byte) error { return nil }

func TestParserIsSmall(t *testing.T) {
	if got, want := unsafe.Sizeof(Parser{}), 3*unsafe.Sizeof(uintptr(0)); got > want {
		t.Errorf("a Parser has %d bytes, want %d", got, want)
	}
	if got := unsafe.Sizeof(pending{}); got > 144 {
		t.Errorf("a Parser within a message has %d bytes more, and 144 are promised", got)
	}
	for name, tt := range messages {
		r := Parser{MaxMessage: maxMessage}
		for i := range tt.input {
			if err := r.Feed([]byte{tt.input[i]}, discard); err != nil {
				t.Fatal(err)
			}
		}
		if r.pending != nil && !r.pending.over {
			t.Errorf("%s: still pending: %+v", name, r.pending)
		}
	}
}

func TestUnfinishedFrameCostsWhatArrived(t *testing.T) {
	const announced = 1 << 30
	for name, header := range map[string][]byte{
		"text":  raw(text, "\xff\x00\x00\x00\x00\x40\x00\x00\x00", ""),
		"start": raw(start, "\xff\x00\x00\x00\x00\x40\x00\x00\x00", ""),
		"ping":  raw(ping, "\xfd", ""),
	} {
		r := Parser{MaxMessage: announced}
		if err := r.Feed(header, discard); err != nil {
			t.Fatal(err)
		}
		for arrived := range 100 {
			if held := cap(r.pending.message) + cap(r.pending.control); held > 2*arrived+8 {
				t.Errorf("%s: %d bytes held after %d", name, held, arrived)
			}
			if unchecked := len(r.pending.message) - r.pending.valid; unchecked > 0 {
				t.Errorf("%s: %d bytes will be checked again", name, unchecked)
			}
			if err := r.Feed([]byte("a"), discard); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestEndReleasesBuffers(t *testing.T) {
	for _, last := range [][]byte{client(blob, ""), client(closing, "")} {
		r := Parser{MaxMessage: maxMessage}
		_ = r.Feed(cat(client(start, "a"), last), discard)
		if r.pending.message != nil {
			t.Errorf("%q is kept", r.pending.message)
		}
	}
}

func TestWholeFramesAllocateNothing(t *testing.T) {
	r := Parser{MaxMessage: maxMessage}
	input := cat(raw(text, "\x85", "hello"), raw(ping, "\x81", "a"), raw(text, "\x80", ""))
	calls := 0
	if n := testing.AllocsPerRun(100, func() {
		_ = r.Feed(input, func(ws.OpCode, []byte) error { calls++; return nil })
	}); n != 0 || calls != 101*3 {
		t.Errorf("%v allocations in %d calls", n, calls)
	}
}
