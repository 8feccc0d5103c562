package replay

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

// How a recording is compressed. What the simulator sends in a day, 100 ticks a second
// of three symbols, is 2,066 MB of lines. With a flush each second that becomes, and a
// tick then takes:
//
//	gzip                       177 MB   20.5 bytes
//	zstd, fastest, 8 MB back   177 MB   20.5 bytes
//	zstd, best,    8 MB back   155 MB   17.9 bytes
//	zstd, best,  128 KB back   148 MB   17.1 bytes, 3 µs to write
//	zstd, best,   32 KB back   139 MB   16.1 bytes
//	binary, of differences     128 MB   14.8 bytes
//	the same, with zstd         69 MB    7.9 bytes
//
// Digits of random prices are what is left: looking far back for them finds little that
// is worth its distance. 128 KB hold a tick of 2,000 symbols, to find the next one's
// names in. A binary format would halve the file once more, and then nobody could read
// it without tickerd.
const (
	level  = zstd.SpeedBestCompression
	window = 128 << 10
)

// A Writer writes a recording.
type Writer struct{ lines *zstd.Encoder }

// NewWriter begins a recording. It starts no goroutine.
func NewWriter(w io.Writer) (*Writer, error) {
	lines, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level), zstd.WithWindowSize(window))
	if err != nil {
		return nil, err
	}
	return &Writer{lines}, nil
}

// Add writes a "ticker" message, as it came.
func (w *Writer) Add(message []byte) error {
	if _, err := w.lines.Write(message); err != nil {
		return err
	}
	_, err := w.lines.Write([]byte{'\n'})
	return err
}

// Flush hands on all that was added: it can be read, whatever becomes of the rest.
func (w *Writer) Flush() error { return w.lines.Flush() }

// Close ends the recording, and not what it is written to.
func (w *Writer) Close() error { return w.lines.Close() }
