package event

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// Append appends an event with any text, which the client is given with its lines'
// ends as "\n". An empty name stands for "message", and so does one that is more than
// a line.
func Append(dst []byte, name string, text []byte) []byte {
	dst = appendName(dst, name)
	for more := true; more; {
		var line []byte
		line, text, more = cutLine(text)
		dst = append(append(append(dst, "data: "...), line...), '\n')
	}
	return append(dst, '\n')
}

// AppendHead appends what stands before the text of an event that is one line, for
// who puts that together himself, and ends it with Tail.
func AppendHead(dst []byte, name string) []byte { return append(appendName(dst, name), "data: "...) }

// Tail stands behind the text of an event that is one line.
const Tail = "\n\n"

// AppendID appends the id of the event that begins there. A client that comes back
// tells the last one that it has had, as Last-Event-ID.
func AppendID(dst []byte, id uint64) []byte {
	return append(strconv.AppendUint(append(dst, "id: "...), id, 10), '\n')
}

// AppendRetry appends how long a client waits before it comes back, from the event
// on that begins there.
func AppendRetry(dst []byte, wait time.Duration) []byte {
	return append(strconv.AppendInt(append(dst, "retry: "...), wait.Milliseconds(), 10), '\n')
}

// Comment is what no client is told of.
const Comment = ":" + Tail

// Flatten makes one line of a JSON text, where it stands: all line ends in it are
// between its parts, where a blank means the same.
func Flatten(json []byte) {
	for _, end := range [...]byte{'\n', '\r'} {
		for rest := json; ; {
			i := bytes.IndexByte(rest, end)
			if i < 0 {
				break
			}
			rest[i] = ' '
			rest = rest[i+1:]
		}
	}
}

// Len returns the length of the event that b begins with, or false if its end is
// not in b.
func Len(b []byte) (n int, ok bool) {
	n = bytes.Index(b, []byte(Tail))
	return n + len(Tail), n >= 0
}

// IsComment reports whether what b begins with is a comment.
func IsComment(b []byte) bool { return len(b) > 0 && b[0] == ':' }

func appendName(dst []byte, name string) []byte {
	if name == "" || strings.ContainsAny(name, "\r\n") {
		return dst
	}
	return append(append(append(dst, "event: "...), name...), '\n')
}

// cutLine parts a text behind its first line. A line ends with "\n", "\r" or both.
func cutLine(text []byte) (line, rest []byte, more bool) {
	i := bytes.IndexAny(text, "\r\n")
	if i < 0 {
		return text, nil, false
	}
	line, rest = text[:i], text[i+1:]
	if text[i] == '\r' {
		rest = bytes.TrimPrefix(rest, []byte("\n"))
	}
	return line, rest, true
}
