package bench

import (
	"bytes"
	"compress/flate"
	"errors"
	"hash/maphash"
	"io"
)

// flateTail is what a sender leaves out at the end of each message (RFC 7692,
// 7.2.1), and an empty last block.
var flateTail = []byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff")

// An inflater reads compressed messages. A server that compresses a message once
// sends the same bytes to all, and they are inflated once: what came of the latest
// ones is remembered by their hash.
type inflater struct {
	seed   maphash.Seed
	latest [1024]struct {
		hash uint64
		stamp
	}
	flate io.ReadCloser
	head  [headSize]byte
}

func newInflater() *inflater {
	return &inflater{seed: maphash.MakeSeed(), flate: flate.NewReader(bytes.NewReader(nil))}
}

// read is [stampOf] for a compressed message.
func (i *inflater) read(payload []byte) stamp {
	hash := maphash.Bytes(i.seed, payload)
	known := &i.latest[hash%uint64(len(i.latest))]
	if known.hash != hash || known.kind == unknown {
		known.hash, known.stamp = hash, i.inflate(payload)
	}
	return known.stamp
}

// inflate looks at the beginning only, unless that does not tell.
func (i *inflater) inflate(payload []byte) stamp {
	r := i.open(payload)
	n, err := io.ReadFull(r, i.head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return stamp{kind: other}
	}
	if s := scan(i.head[:n]); s.kind != unknown {
		return s
	}
	whole, err := io.ReadAll(io.LimitReader(i.open(payload), maxMessage))
	if err != nil {
		return stamp{kind: other}
	}
	return decode(whole)
}

// open starts reading a message anew.
func (i *inflater) open(payload []byte) io.Reader {
	source := io.MultiReader(bytes.NewReader(payload), bytes.NewReader(flateTail))
	// Reset fails only for a dictionary that is too long.
	_ = i.flate.(flate.Resetter).Reset(source, nil)
	return i.flate
}
