package exchange

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// recorded is a connection whose other side has said everything already.
type recorded struct {
	net.Conn
	io.Reader
	written int
}

func (r *recorded) Read(p []byte) (int, error) { return r.Reader.Read(p) }
func (r *recorded) Write(p []byte) (int, error) {
	r.written += len(p)
	return len(p), nil
}
func (*recorded) SetDeadline(time.Time) error      { return nil }
func (*recorded) SetReadDeadline(time.Time) error  { return nil }
func (*recorded) SetWriteDeadline(time.Time) error { return nil }
func (*recorded) Close() error                     { return nil }

func recordedSocket(b []byte) *socket {
	conn := &recorded{Reader: bytes.NewReader(b)}
	return newSocket(conn, conn, polite())
}

// reference reads messages as gobwas does, up to a close frame or an error.
func reference(b []byte) (messages []string) {
	r := wsutil.NewClientSideReader(bytes.NewReader(b))
	r.MaxMessageSize = MaxMessage
	r.OnIntermediate = func(h ws.Header, _ io.Reader) error {
		if h.OpCode == ws.OpClose {
			return io.ErrClosedPipe
		}
		return nil
	}
	for {
		h, err := r.NextFrame()
		if err != nil || h.OpCode == ws.OpClose {
			return messages
		}
		payload, err := io.ReadAll(r)
		if err != nil {
			return messages
		}
		if !h.OpCode.IsControl() {
			messages = append(messages, string(payload))
		}
	}
}

func FuzzRead(f *testing.F) {
	text := ws.MustCompileFrame(ws.NewTextFrame([]byte("hello")))
	f.Add(text)
	f.Add(text[:4])
	f.Add(slices.Concat([]byte{0x01, 1, 'a', 0x89, 1, 'p', 0x00, 0, 0x80, 1, 'b'}, text))
	f.Add([]byte{0x88, 2, 3, 232})
	f.Add([]byte{0x88, 1, 3})
	f.Add([]byte{0x81, 127, 0, 0, 0, 0, 0, 0x10, 0, 1})
	f.Add([]byte{0x81, 126, 0, 1, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := recordedSocket(b)
		var got []string
		var err error
		for err == nil {
			var msg []byte
			if msg, err = s.read(t.Context()); err == nil {
				got = append(got, string(msg))
			}
		}
		s.close(err)
		if want := reference(b); !slices.Equal(got, want) {
			t.Errorf("%x: got %q (%v), want %q", b, got, err, want)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	frame := ws.MustCompileFrame(ws.NewTextFrame(bytes.Repeat([]byte("x"), 430)))
	s := recordedSocket(nil)
	s.reader.Reset(endless(frame))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// endless repeats itself.
type endless []byte

func (e endless) Read(p []byte) (n int, err error) {
	for len(p)-n >= len(e) {
		n += copy(p[n:], e)
	}
	return n, nil
}
