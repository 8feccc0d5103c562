// Package eventtest reads Server-Sent Events as a browser's EventSource does, line by
// line as the standard says, so that tests see what it would.
package eventtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An Event is what a listener is told.
type Event struct {
	Name string // "message" where the server gave none
	Data string
	ID   string // the last that there was
}

// A Reader finds the events of a stream.
type Reader struct {
	// Retry is how long an EventSource would wait before it comes back; 0: as long as it
	// likes. Comments is how many there were.
	Retry    time.Duration
	Comments int

	r  *bufio.Reader
	id string
}

// NewReader reads from r, which may be in pieces of any size.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReader(r)} }

// Next gives the next event. At the end of the stream it is io.EOF, and where that is
// within an event io.ErrUnexpectedEOF. What is not UTF-8 is an error.
func (r *Reader) Next() (Event, error) {
	var name string
	var data strings.Builder
	for begun := false; ; begun = true {
		line, err := r.line()
		switch {
		case errors.Is(err, io.EOF) && (begun && (name != "" || data.Len() > 0) || line != ""):
			return Event{}, io.ErrUnexpectedEOF
		case err != nil:
			return Event{}, err
		case line == "" && data.Len() > 0:
			if name == "" {
				name = "message"
			}
			return Event{name, strings.TrimSuffix(data.String(), "\n"), r.id}, nil
		case line == "":
			name = ""
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			r.Comments++
		case "event":
			name = value
		case "data":
			data.WriteString(value + "\n")
		case "id":
			if !strings.Contains(value, "\x00") {
				r.id = value
			}
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 32); err == nil {
				r.Retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}

// line reads a line without its end. That is "\n" from our server; the other two which
// the standard knows are an error.
func (r *Reader) line() (string, error) {
	var line []byte
	for {
		b, err := r.r.ReadByte()
		switch {
		case err != nil:
			return string(line), err
		case b == '\n':
		case b == '\r':
			return "", fmt.Errorf("carriage return behind %q", line)
		default:
			line = append(line, b)
			continue
		}
		if !utf8.Valid(line) {
			return "", fmt.Errorf("not UTF-8: %q", line)
		}
		return string(line), nil
	}
}
