package frame

import (
	"bytes"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// finalBlock stands behind syncTail where a message is inflated, and ends it.
const finalBlock = "\x01\x00\x00\xff\xff"

// inflaters are for the time that the inflating of one message takes. Each holds
// 36 KiB, and as much as a compressed and an inflated message ever had.
var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// inflate passes on a compressed message, of limit bytes at most.
//
// Data that is no DEFLATE stream, or that ends in the middle of one, is refused
// with 1007, as bad UTF-8 is: RFC 7692 names no code, RFC 6455 has that one for
// what is not of the kind that it claims to be. A message may end with a final
// block, as RFC 7692 allows; what follows one, but for the byte that pads it, is
// refused likewise.
func inflate(deflated []byte, limit int, on func(ws.OpCode, []byte) error) error {
	f := inflaters.Get().(*inflater)
	defer inflaters.Put(f)
	if err := f.inflate(deflated, limit); err != nil {
		return err
	}
	if !utf8.Valid(f.out) {
		return errNotUTF8
	}
	return on(ws.OpText, f.out)
}

type inflater struct {
	in     []byte
	source bytes.Reader // reads in
	stream io.ReadCloser
	out    []byte
}

// inflate puts what deflated stands for into f.out.
func (f *inflater) inflate(deflated []byte, limit int) error {
	f.in = append(append(append(f.in[:0], deflated...), syncTail...), finalBlock...)
	f.source.Reset(f.in)
	if err := f.rewind(); err != nil {
		return err
	}
	f.out = f.out[:0]
	for {
		f.grow(limit + 1)
		n, err := f.stream.Read(f.out[len(f.out):min(cap(f.out), limit+1)])
		f.out = f.out[:len(f.out)+n]
		switch {
		case len(f.out) > limit:
			return errTooBig
		case err == io.EOF && f.atEnd(len(deflated)):
			return nil
		case err != nil:
			return errNotDeflate
		}
	}
}

// rewind begins a new stream at the source.
func (f *inflater) rewind() error {
	if f.stream == nil {
		f.stream = flate.NewReader(&f.source)
		return nil
	}
	return f.stream.(flate.Resetter).Reset(&f.source, nil)
}

// grow makes room in f.out, within most bytes altogether.
func (f *inflater) grow(most int) {
	const least = 512
	if len(f.out) < cap(f.out) || len(f.out) >= most {
		return
	}
	f.out = append(make([]byte, 0, min(max(2*cap(f.out), least), most)), f.out...)
}

// atEnd reports whether the stream ended where a message of length bytes may: with
// the final block that was put behind it, or with one of its own, which a zero
// byte then pads.
func (f *inflater) atEnd(length int) bool {
	switch read := len(f.in) - f.source.Len(); read {
	case len(f.in), length:
		return true
	default:
		return read == length-1 && f.in[read] == 0
	}
}
