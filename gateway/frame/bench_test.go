package frame

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// The masks are zero, so that unmasking costs what it costs and a buffer can be
// fed again and again.

// BenchmarkFeed compares messages that arrive whole with the floor: what has to
// be done to their payloads by whoever reads them.
func BenchmarkFeed(b *testing.B) {
	small := []byte(`{"type":"subscribe","symbols":["BTC-USD","ETH-*"],"id":2}`)
	large := bytes.Repeat(small, 512)
	for _, bench := range []struct {
		name    string
		payload []byte
	}{{"small", small}, {"large", large}} {
		name, payload := bench.name, bench.payload
		input := ws.MustCompileFrame(ws.Frame{
			Header:  ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: int64(len(payload))},
			Payload: payload,
		})
		b.Run(name, func(b *testing.B) {
			r := Parser{MaxMessage: len(payload)}
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Feed(input, discard); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/floor", func(b *testing.B) {
			payload := input[len(input)-len(payload):]
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				ws.Cipher(payload, [4]byte{}, 0)
				if !utf8.Valid(payload) {
					b.Fatal("not UTF-8")
				}
			}
		})
	}
}

// BenchmarkFeedDeflated is a compressed message that arrives whole.
func BenchmarkFeedDeflated(b *testing.B) {
	message := `{"type":"subscribe","symbols":["BTC-USD","ETH-*"],"id":2}`
	payload := deflated(message)
	input := ws.MustCompileFrame(ws.Frame{
		Header:  ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpText, Masked: true, Length: int64(len(payload))},
		Payload: []byte(payload),
	})
	r := Parser{MaxMessage: len(message), Deflate: true}
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Feed(input, discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFeedBytewise is a message that arrives byte by byte.
func BenchmarkFeedBytewise(b *testing.B) {
	input := raw(text, "\xbd", "{"+strings.Repeat("a", 59)+"}")
	r := Parser{MaxMessage: len(input)}
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	for b.Loop() {
		for i := range input {
			if err := r.Feed(input[i:i+1], discard); err != nil {
				b.Fatal(err)
			}
		}
		if r.pending != nil {
			b.Fatal("not complete")
		}
	}
}

func BenchmarkAppendText(b *testing.B) {
	payload := make([]byte, 210)
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendText(buf[:0], payload)
	}
}
