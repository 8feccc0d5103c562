package frame

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/klauspost/compress/flate"
)

// deflated is what a client makes of a message: compressed, at level 9.
func deflated(message string) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		panic(err)
	}
	if _, err := io.WriteString(w, message); err != nil {
		panic(err)
	}
	if err := w.Flush(); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), syncTail)
}

// bomb is a small message that becomes a large one.
var bomb = deflated(strings.Repeat("a", 1<<20))

const (
	textDeflated  = text | rsv1Bit
	startDeflated = start | rsv1Bit
	helloDeflated = "\xf2\x48\xcd\xc9\xc9\x07\x00" // RFC 7692, section 7.2.3.1
)

// deflatedMessages hold inputs that are good where compression was agreed.
var deflatedMessages = map[string]struct {
	input []byte
	want  []string
}{
	"compressed":                     {client(textDeflated, helloDeflated), []string{"text Hello"}},
	"compressed, and not":            {cat(client(textDeflated, helloDeflated), client(text, "Hello"), client(textDeflated, helloDeflated)), []string{"text Hello", "text Hello", "text Hello"}},
	"fragments":                      {cat(client(startDeflated, helloDeflated[:3]), client(final, helloDeflated[3:])), []string{"text Hello"}},
	"control frames among fragments": {cat(client(startDeflated, ""), client(ping, "\xff"), client(middle, helloDeflated[:1]), client(pong, "1"), client(final, helloDeflated[1:])), []string{"ping \xff", "pong 1", "text Hello"}},
	"stored block":                   {client(textDeflated, "\x00\x05\x00\xfa\xffHello\x00"), []string{"text Hello"}},
	"final block":                    {client(textDeflated, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), []string{"text Hello"}},
	"final block, not padded":        {client(textDeflated, "\xf3\x48\xcd\xc9\xc9\x07\x00"), []string{"text Hello"}},
	"two blocks":                     {client(textDeflated, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), []string{"text Hello"}},
	"empty message":                  {client(textDeflated, "\x00"), []string{"text "}},
	"as big as allowed":              {client(textDeflated, deflated(long)), []string{"text " + long}},
	"as big as allowed, stored":      {client(textDeflated, "\x00\x2c\x01\xd3\xfe"+long+"\x00"), []string{"text " + long}},
	"not UTF-8 before it is whole":   {cat(client(startDeflated, "\xf2"), client(closing, "")), []string{"close "}},
}

func TestDeflatedMessages(t *testing.T) {
	for name, tt := range deflatedMessages {
		t.Run(name, func(t *testing.T) {
			got := deflateEveryWay(t, tt.input)
			if want := (outcome{frames: tt.want}); !reflect.DeepEqual(got, want) {
				t.Errorf("got %q %d, want %q", got.frames, got.code, want.frames)
			}
		})
	}
}

func deflateEveryWay(t *testing.T, input []byte) outcome {
	t.Helper()
	return everyWay(t, input, func(cuts ...int) outcome {
		return parseBy(t, &Parser{MaxMessage: maxMessage, Deflate: true}, input, cuts...)
	})
}

// deflatedBreaches hold inputs that are refused although compression was agreed.
var deflatedBreaches = map[string]struct {
	input []byte
	code  ws.StatusCode
}{
	"RSV2":                           {client(text|0x20, "a"), 1002},
	"RSV3 of a compressed message":   {client(textDeflated|0x10, "a"), 1002},
	"RSV1 of a ping":                 {client(ping|rsv1Bit, ""), 1002},
	"RSV1 of a close":                {client(closing|rsv1Bit, ""), 1002},
	"RSV1 of a continuation":         {cat(client(startDeflated, helloDeflated[:3]), client(final|rsv1Bit, helloDeflated[3:])), 1002},
	"RSV1 of a plain message's rest": {cat(client(start, "a"), client(final|rsv1Bit, helloDeflated)), 1002},
	"compressed binary":              {client(blob|rsv1Bit, helloDeflated), 1003},
	"nothing":                        {client(textDeflated, ""), 1007}, // an empty message is "\x00"
	"no such block":                  {client(textDeflated, "\x07"), 1007},
	"bad stored length":              {client(textDeflated, "\x00\x05\x00\xff\xffHello"), 1007},
	"distance too far":               {client(textDeflated, "\x02\x41"), 1007},
	"cut short":                      {client(textDeflated, helloDeflated[:4]), 1007},
	"stored block cut short":         {client(textDeflated, "\x00\x0f\x00\xf0\xffHello"), 1007},
	"more after the final block":     {client(textDeflated, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"+helloDeflated), 1007},
	"text after the final block":     {client(textDeflated, "\xf3\x48\xcd\xc9\xc9\x07\x00a"), 1007},
	"not UTF-8":                      {client(textDeflated, deflated("a\xffb")), 1007},
	"ends in a character":            {client(textDeflated, deflated(goingOn)), 1007},
	"inflates to too much":           {client(textDeflated, deflated(long+"a")), 1009},
	"too long while compressed":      {client(textDeflated, strings.Repeat("\x00", 314)), 1009},
	"too long in fragments":          {cat(client(startDeflated, strings.Repeat("\x00", 200)), client(final, strings.Repeat("\x00", 114))), 1009},
	"too long, not compressed":       {client(text, long+"a"), 1009},
}

func TestDeflatedBreaches(t *testing.T) {
	for name, tt := range deflatedBreaches {
		t.Run(name, func(t *testing.T) {
			if got := deflateEveryWay(t, tt.input); got.code != tt.code {
				t.Errorf("got %q %d, want %d", got.frames, got.code, tt.code)
			}
		})
	}
}

func TestCompressionMustBeAgreed(t *testing.T) {
	if got := parseEveryWay(t, client(textDeflated, helloDeflated), maxMessage); got.code != 1002 {
		t.Errorf("got %q %d, want 1002", got.frames, got.code)
	}
}

// TestBombIsNotInflated holds that a small message that would become a large one
// costs what a message may have, and no more.
func TestBombIsNotInflated(t *testing.T) {
	const limit = 32 << 10
	if len(bomb) > limit {
		t.Fatalf("%d bytes are no bomb", len(bomb))
	}
	f := inflater{}
	if err := f.inflate([]byte(bomb), limit); err != errTooBig {
		t.Errorf("inflate: %v, want %v", err, errTooBig)
	}
	if cap(f.out) > limit+1 {
		t.Errorf("%d bytes were made of it, and %d are allowed", cap(f.out), limit)
	}
}

func TestInflaterIsUsedAgain(t *testing.T) {
	f := inflater{}
	for _, step := range []struct {
		message string
		err     error
	}{
		{helloDeflated, nil},
		{"\x07", errNotDeflate},
		{helloDeflated, nil},
		{bomb, errTooBig},
		{helloDeflated, nil},
		{"\x02\x41", errNotDeflate}, // would be good after "Hello"
	} {
		err := f.inflate([]byte(step.message), maxMessage)
		if err != step.err || err == nil && string(f.out) != "Hello" {
			t.Errorf("inflate %.8x: %q %v, want %v", step.message, f.out, err, step.err)
		}
	}
}

func TestErrorOfCallbackForDeflatedMessage(t *testing.T) {
	enough := errors.New("enough")
	r := Parser{MaxMessage: maxMessage, Deflate: true}
	for range 2 {
		if err := r.Feed(client(textDeflated, helloDeflated), func(ws.OpCode, []byte) error { return enough }); err != enough {
			t.Errorf("Feed: %v, want what the callback returned", err)
		}
	}
}

// TestDeflate has gobwas inflate what is deflated, of every kind and size.
func TestDeflate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{0, 1, 2, 5, 100, 1000, 32 << 10, 32<<10 + 1, 200_000} {
		noise := make([]byte, size)
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		for _, message := range [][]byte{bytes.Repeat([]byte("a"), size), noise} {
			var b bytes.Buffer
			b.WriteString("before")
			Deflate(&b, message)
			compressed, found := bytes.CutPrefix(b.Bytes(), []byte("before"))
			got, err := wsflate.DefaultHelper.Decompress(compressed)
			if !found || err != nil || !bytes.Equal(got, message) {
				t.Errorf("%d bytes became %d: %v", size, len(got), err)
			}
			if bound := deflateBound(size); len(compressed) > bound {
				t.Errorf("%d bytes were made of %d, more than %d", len(compressed), size, bound)
			}
		}
	}
}

func TestAppendTextHeader(t *testing.T) {
	for _, size := range []int{0, 125, 126, 65536} {
		f := ws.NewFrame(ws.OpText, true, make([]byte, size))
		for _, compressed := range []bool{false, true} {
			f.Header.Rsv = ws.Rsv(compressed, false, false)
			want := ws.MustCompileFrame(f)
			want = want[:len(want)-size]
			if got := AppendTextHeader([]byte("x"), size, compressed); string(got) != "x"+string(want) {
				t.Errorf("AppendTextHeader of %d bytes, %v = %x, want %x", size, compressed, got, want)
			}
		}
	}
}

// FuzzInflate holds that a message comes back as it was, whoever compressed it.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("Hello"), 6)
	f.Add([]byte(long), 1)
	f.Fuzz(func(t *testing.T, message []byte, level int) {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, max(min(level, 9), -2))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(message); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		b.Truncate(b.Len() - len(syncTail))
		var own bytes.Buffer
		Deflate(&own, message)
		var in inflater
		for _, compressed := range [][]byte{b.Bytes(), own.Bytes()} {
			if err := in.inflate(compressed, len(message)); err != nil || !bytes.Equal(in.out, message) {
				t.Errorf("%q: %q %v", message, in.out, err)
			}
			if err := in.inflate(compressed, len(message)-1); err != errTooBig && len(message) > 0 {
				t.Errorf("%q: %v, want %v", message, err, errTooBig)
			}
		}
	})
}
