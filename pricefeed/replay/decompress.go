package replay

import (
	"bufio"
	"compress/gzip"
	"io"

	"github.com/klauspost/compress/zstd"
)

// What compressed files begin with (RFC 8878, section 3.1.1; RFC 1952, section 2.3.1).
const (
	magicZstd = "\x28\xb5\x2f\xfd"
	magicGzip = "\x1f\x8b"
)

// maxWindow is as far back as zstd itself goes unless it is told to.
const maxWindow = 128 << 20

// decompress gives the text of a file, by what it begins with. Closing the text does
// not close the file.
func decompress(file io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(file, 64<<10)
	head, err := buffered.Peek(len(magicZstd))
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case string(head) == magicZstd:
		text, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return text.IOReadCloser(), nil
	case len(head) >= len(magicGzip) && string(head[:len(magicGzip)]) == magicGzip:
		return gzip.NewReader(buffered)
	}
	return io.NopCloser(buffered), nil
}
