package wire

// A Reader goes through the members of an object, or the elements of an array.
type Reader struct {
	text  []byte
	last  byte // what ends the text
	at    int  // of what has not been read
	state state
	name  span
	value span
}

// A span is a part of the text. Next keeps these, and no slices, because it writes them
// to memory, and pointers are dearer.
type span struct{ start, end int }

type state uint8

const (
	foreign state = iota // not plain, or not whole
	begun
	between // behind a value
	done
)

// Object reads the members of the object that msg is.
func Object(msg []byte) Reader { return open(msg, '{', '}') }

// Array reads the elements of the array that msg is.
func Array(msg []byte) Reader { return open(msg, '[', ']') }

func open(msg []byte, first, last byte) Reader {
	if len(msg) == 0 || msg[0] != first {
		return Reader{}
	}
	return Reader{text: msg, at: 1, last: last, state: begun}
}

// Next moves to the next member or element. It reports false at the end, and where
// the text is not plain any more.
func (r *Reader) Next() bool {
	if r.state == foreign || r.state == done || r.ended() {
		return false
	}
	if r.state == between && !r.comma() {
		return false
	}
	r.state = foreign
	if r.last == '}' {
		n := cutName(r.text[r.at:])
		if n < 0 {
			return false
		}
		r.name = span{r.at + 1, r.at + n - 2}
		r.at += n
	}
	n := cutValue(r.text[r.at:], maxDepth)
	if n < 0 {
		return false
	}
	r.value = span{r.at, r.at + n}
	r.at += n
	r.state = between
	return true
}

// Name is that of the member, as it is written; empty for an element.
func (r *Reader) Name() []byte { return r.text[r.name.start:r.name.end] }

// Value is that of the member, or the element, as JSON.
func (r *Reader) Value() []byte { return r.text[r.value.start:r.value.end:r.value.end] }

// Plain reports, when there is no next, whether all of the text was read.
func (r *Reader) Plain() bool { return r.state == done }

// ended reports whether nothing is left but what ends the text.
func (r *Reader) ended() bool {
	if r.at != len(r.text)-1 || r.text[r.at] != r.last {
		return false
	}
	r.state = done
	return true
}

// comma takes the comma before a further member or element.
func (r *Reader) comma() bool {
	if r.at == len(r.text) || r.text[r.at] != ',' {
		r.state = foreign
		return false
	}
	r.at++
	return true
}
