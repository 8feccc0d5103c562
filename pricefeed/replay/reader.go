package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	"tickerd/pricefeed/wire"
	"tickerd/ticker"
)

const (
	// maxLine is more than a message of the bus may have.
	maxLine = 2 << 20
	// maxTime is the end of the year 9999, in unix seconds.
	maxTime = 253402300799
)

// A reader reads the ticks of a recording.
type reader struct {
	name  string // of the recording, for errors
	file  io.Closer
	text  io.ReadCloser // what is in the file
	lines *bufio.Scanner
	line  int  // of the last tick, from 1
	open  bool // the last line has no end

	scanned ticker.Scanned
	symbols map[string]ticker.Symbol // seen so far
}

// openRecording opens a file, or for no name the recording that ships.
func openRecording(path string) (*reader, error) {
	if path == "" {
		return newReader(shippedName, io.NopCloser(bytes.NewReader(shipped)))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return newReader(path, file)
}

// newReader reads a file, and closes it at the end.
func newReader(name string, file io.ReadCloser) (*reader, error) {
	text, err := decompress(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &reader{name: name, file: file, text: text, symbols: map[string]ticker.Symbol{}}
	r.lines = bufio.NewScanner(text)
	r.lines.Buffer(nil, maxLine)
	r.lines.Split(r.split)
	return r, nil
}

// next reads the next tick, whose prices are appended to t.Data. Its error is io.EOF at
// the end, which is also where a recording was cut off, and otherwise names the line.
func (r *reader) next(t *ticker.Tick) error {
	if !r.lines.Scan() {
		return r.end()
	}
	r.line++
	err := r.read(r.lines.Bytes(), t)
	if err != nil && r.open {
		return r.end()
	}
	if err != nil {
		return fmt.Errorf("%s:%d: %w", r.name, r.line, err)
	}
	return nil
}

// end is why there is no further line.
func (r *reader) end() error {
	err := r.lines.Err()
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return fmt.Errorf("%s:%d: %w", r.name, r.line+1, err)
}

// split gives lines, and at last what has no end.
func (r *reader) split(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if n := bytes.IndexByte(data, '\n'); n >= 0 {
		return n + 1, data[:n], nil
	}
	if !atEOF || len(data) == 0 {
		return 0, nil, nil
	}
	r.open = true
	return len(data), data, nil
}

// read makes a tick of a line.
func (r *reader) read(line []byte, t *ticker.Tick) error {
	if err := ticker.Scan(line, &r.scanned); err != nil {
		return err
	}
	t.Seq, t.TS = r.scanned.Seq, r.scanned.TS
	if t.TS < 0 || t.TS/1e6 > maxTime {
		return fmt.Errorf("%w: ts %d", ErrTime, t.TS)
	}
	for _, e := range r.scanned.Data {
		p, err := r.price(e)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Symbol, err)
		}
		t.Data = append(t.Data, p)
	}
	return nil
}

func (r *reader) price(e ticker.Element) (p ticker.Price, err error) {
	m, err := membersOf(e.JSON)
	if err != nil {
		return p, err
	}
	if p.Symbol, err = r.symbol(e.Symbol); err != nil {
		return p, err
	}
	if p.Price, err = wire.Price(m.Price); err != nil {
		return p, err
	}
	p.Timestamp, err = strconv.ParseInt(string(m.Timestamp), 10, 64)
	if err != nil || p.Timestamp < 0 || p.Timestamp > maxTime {
		return p, fmt.Errorf("%w: timestamp %s", ErrTime, m.Timestamp)
	}
	return p, nil
}

// symbol is made once of each name.
func (r *reader) symbol(name []byte) (ticker.Symbol, error) {
	if s, known := r.symbols[string(name)]; known {
		return s, nil
	}
	s, err := ticker.ParseSymbol(string(name))
	if err == nil {
		r.symbols[string(s)] = s
	}
	return s, err
}

// search gives the symbols of the next lines, sorted.
func (r *reader) search(lines int) ([]ticker.Symbol, error) {
	var t ticker.Tick
	for range lines {
		t.Data = t.Data[:0]
		err := r.next(&t)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(r.symbols) == 0 {
		return nil, fmt.Errorf("%s: %w", r.name, ErrNoPrice)
	}
	return slices.Sorted(maps.Values(r.symbols)), nil
}

// members are those of an element that its symbol is not.
type members struct {
	Price     json.RawMessage `json:"price"`
	Timestamp json.RawMessage `json:"timestamp"`
}

func membersOf(element []byte) (m members, err error) {
	r := wire.Object(element)
	for r.Next() {
		switch string(r.Name()) {
		case "price":
			m.Price = r.Value()
		case "timestamp":
			m.Timestamp = r.Value()
		}
	}
	if !r.Plain() || m.Price == nil || m.Timestamp == nil {
		return unmarshal(element)
	}
	return m, nil
}

// unmarshal finds the members in any JSON object. It stands apart so that only its own
// result is put on the heap.
func unmarshal(element []byte) (m members, err error) {
	err = json.Unmarshal(element, &m)
	return m, err
}

// close ends the reading.
func (r *reader) close() {
	r.text.Close()
	r.file.Close()
}
