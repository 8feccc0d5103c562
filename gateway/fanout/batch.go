package fanout

import (
	"bytes"
	"time"

	"tickerd/gateway/frame"
)

// A batch is what a tick, a status, or what is due appends to the streams. It
// belongs to whose turn it is.
//
// A stream whose messages are compressed gets its own at the end. Until then it is
// pending there: who comes to the stream meanwhile has had that tick by the
// snapshot, and knows by its seq that the frame repeats it.
type batch struct {
	at       time.Duration
	appended bool

	texts    []text
	waiting  []deflation
	plain    []byte       // of the texts that were put together
	deflated bytes.Buffer // of all texts
}

// text is a message to be compressed once, for however many streams.
type text struct {
	message []byte
	end     int // of its compressed form in deflated
}

// deflation is a stream that waits for a text.
type deflation struct {
	stream *Stream
	seq    uint64
	text   int
}

// begin starts a batch at a time after the hub's start.
func (b *batch) begin(at time.Duration) {
	clear(b.texts)
	clear(b.waiting)
	b.at, b.appended = at, false
	b.texts, b.waiting, b.plain = b.texts[:0], b.waiting[:0], b.plain[:0]
	b.deflated.Reset()
}

// tick appends a tick's message to s, now or when it is compressed.
func (b *batch) tick(s *Stream, seq uint64, m message) {
	if s.key.encoding == Deflate {
		s.pending = seq
		b.waiting = append(b.waiting, deflation{s, seq, b.text(m)})
		return
	}
	s.write(b.at, origin{seq, true}, m)
	b.appended = true
}

// status appends a status message to s, which comes after tick seq.
func (b *batch) status(s *Stream, seq uint64, m message) {
	s.write(b.at, origin{seq, false}, m)
	b.appended = true
}

// text gives the number of a message among the texts. What several streams get
// whole, one after the other, is one text.
func (b *batch) text(m message) int {
	if m.tail == "" {
		if last := len(b.texts) - 1; last >= 0 && &b.texts[last].message[0] == &m.head[0] {
			return last
		}
		b.texts = append(b.texts, text{message: m.head})
		return len(b.texts) - 1
	}
	from := len(b.plain)
	b.plain = m.appendTo(b.plain)
	b.texts = append(b.texts, text{message: b.plain[from:len(b.plain):len(b.plain)]})
	return len(b.texts) - 1
}

// compress compresses the texts.
func (b *batch) compress() {
	for i := range b.texts {
		frame.Deflate(&b.deflated, b.texts[i].message)
		b.texts[i].end = b.deflated.Len()
	}
}

// release appends what was compressed to the streams that wait for it.
func (b *batch) release() {
	for _, w := range b.waiting {
		w.stream.pending = 0
		w.stream.write(b.at, origin{w.seq, true}, b.smaller(w.text))
		b.appended = true
	}
}

// smaller is a text in the form that is shorter.
func (b *batch) smaller(i int) message {
	from := 0
	if i > 0 {
		from = b.texts[i-1].end
	}
	return smaller(b.texts[i].message, b.deflated.Bytes()[from:b.texts[i].end])
}

// smaller is a message compressed, or as it is where that is no longer.
func smaller(plain, deflated []byte) message {
	if len(deflated) >= len(plain) {
		return whole(plain)
	}
	m := whole(deflated)
	m.deflated = true
	return m
}
