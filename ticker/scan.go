package ticker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Scanned is a tick as it came, its elements found but not decoded. Its slices
// point into the scanned message.
type Scanned struct {
	Seq  uint64
	TS   int64
	Data []Element
}

// An Element is one price of a scanned tick.
type Element struct {
	Symbol []byte // BTC-USD
	JSON   []byte // {"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000}
}

// Price decodes e, which Scan has found.
func (e Element) Price() (Price, error) {
	var p struct {
		Price     json.RawMessage `json:"price"`
		Timestamp int64           `json:"timestamp"`
	}
	if c := (cursor{e.JSON}); c.skip(`{"symbol":"`) && len(c.rest) > len(e.Symbol) {
		c.take(len(e.Symbol))
		if c.skip(`","price":`) {
			digits := c.number()
			if timestamp, ok := c.timestamp(); ok {
				return Price{Symbol(e.Symbol), Decimal(digits), timestamp}, nil
			}
		}
	}
	if err := json.Unmarshal(e.JSON, &p); err != nil {
		return Price{}, fmt.Errorf("%w: %w", ErrTick, err)
	}
	digits, err := ParseDecimal(string(p.Price))
	return Price{Symbol(e.Symbol), digits, p.Timestamp}, err
}

// Scan finds the elements of a tick in msg and puts them into t, whose memory it
// reuses. What [Tick.AppendJSON] writes is read in one pass without allocation;
// any other JSON of the same meaning is taken too, more slowly. After an error t
// is undefined.
func Scan(msg []byte, t *Scanned) error {
	t.Data = t.Data[:0]
	if scanCanonical(msg, t) {
		return nil
	}
	return scanAny(msg, t)
}

// scanCanonical takes exactly what AppendJSON writes.
func scanCanonical(msg []byte, t *Scanned) bool {
	c := cursor{msg}
	if !c.skip(`{"type":"ticker","seq":`) {
		return false
	}
	number := c.number()
	seq, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil || !isInteger(number) || !c.skip(`,"ts":`) {
		return false
	}
	number = c.number()
	ts, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || !isInteger(number) || !c.skip(`,"data":[`) {
		return false
	}
	t.Seq, t.TS, t.Data = seq, ts, t.Data[:0]
	for !c.skip(Tail) {
		if len(t.Data) > 0 && !c.skip(",") {
			return false
		}
		e, ok := c.element()
		if !ok {
			return false
		}
		t.Data = append(t.Data, e)
	}
	return len(c.rest) == 0
}

// cursor walks over the canonical encoding.
type cursor struct{ rest []byte }

func (c *cursor) skip(literal string) bool {
	if len(c.rest) < len(literal) || string(c.rest[:len(literal)]) != literal {
		return false
	}
	c.rest = c.rest[len(literal):]
	return true
}

func (c *cursor) take(n int) []byte {
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

// number takes the characters of a number; whether they are one is for the
// caller to see.
func (c *cursor) number() []byte {
	n := 0
	for n < len(c.rest) && (isDigit(c.rest[n]) || c.rest[n] == '.' || c.rest[n] == '-') {
		n++
	}
	return c.take(n)
}

func (c *cursor) element() (Element, bool) {
	start := c.rest
	if !c.skip(`{"symbol":"`) {
		return Element{}, false
	}
	n := bytes.IndexByte(c.rest, '"')
	if n < 0 {
		return Element{}, false
	}
	symbol := c.take(n)
	if !isSymbol(symbol) || !c.skip(`","price":`) || !isDecimal(c.number()) ||
		!c.skip(`,"timestamp":`) || !isTimestamp(c.number()) || !c.skip("}") {
		return Element{}, false
	}
	return Element{Symbol: symbol, JSON: start[:len(start)-len(c.rest)]}, true
}

// timestamp takes the end of an element.
func (c *cursor) timestamp() (int64, bool) {
	if !c.skip(`,"timestamp":`) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(c.number()), 10, 64)
	return n, err == nil && string(c.rest) == "}"
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isSymbol reports whether b is a symbol in its one spelling, upper case.
func isSymbol(b []byte) bool {
	dash := bytes.IndexByte(b, '-')
	if dash < 1 || dash > maxPart || dash == len(b)-1 || len(b)-dash-1 > maxPart {
		return false
	}
	for i, c := range b {
		if i != dash && !isDigit(c) && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func isDecimal(b []byte) bool {
	_, exponent, err := splitNumber(string(b))
	return err == nil && exponent == 0
}

// isTimestamp reports whether b is an integer that surely fits 64 bits.
func isTimestamp(b []byte) bool { return len(b) <= 18 && isInteger(b) }

// isInteger reports whether b is a JSON integer, which has no needless zeros.
func isInteger(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("-"))
	n := len(b)
	return n > 0 && digits(string(b)) == n && (n == 1 || b[0] != '0')
}

// scanAny takes every JSON object that means a tick.
func scanAny(msg []byte, t *Scanned) error {
	if !utf8.Valid(msg) {
		return fmt.Errorf("%w: not UTF-8", ErrTick)
	}
	var tick struct {
		Type string            `json:"type"`
		Seq  *uint64           `json:"seq"`
		TS   *int64            `json:"ts"`
		Data []json.RawMessage `json:"data"`
	}
	if err := decode(msg, &tick, "type", "seq", "ts", "data"); err != nil {
		return fmt.Errorf("%w: %w", ErrTick, err)
	}
	switch {
	case tick.Type != "ticker":
		return fmt.Errorf("%w: type %q", ErrTick, clip(tick.Type))
	case tick.Seq == nil:
		return fmt.Errorf("%w: no seq", ErrTick)
	case tick.TS == nil:
		return fmt.Errorf("%w: no ts", ErrTick)
	}
	t.Seq, t.TS, t.Data = *tick.Seq, *tick.TS, t.Data[:0]
	for i, raw := range tick.Data {
		var p struct {
			Symbol    string          `json:"symbol"`
			Price     json.RawMessage `json:"price"`
			Timestamp *int64          `json:"timestamp"`
		}
		if err := decode(raw, &p, "symbol", "price", "timestamp"); err != nil {
			return fmt.Errorf("%w: data[%d]: %w", ErrTick, i, err)
		}
		if !isSymbol([]byte(p.Symbol)) {
			return fmt.Errorf("%w: data[%d]: symbol %q", ErrTick, i, clip(p.Symbol))
		}
		if _, err := ParseDecimal(string(p.Price)); err != nil {
			return fmt.Errorf("%w: data[%d]: %w", ErrTick, i, err)
		}
		if p.Timestamp == nil {
			return fmt.Errorf("%w: data[%d]: no timestamp", ErrTick, i)
		}
		t.Data = append(t.Data, Element{Symbol: []byte(p.Symbol), JSON: raw})
	}
	return nil
}

// decode is json.Unmarshal of an object in which each of names stands once at most, and
// in no other case: clients get it as it came, and not all read it alike.
func decode(object []byte, v any, names ...string) error {
	if err := json.Unmarshal(object, v); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil { // the brace
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		n := slices.IndexFunc(names, func(known string) bool { return strings.EqualFold(known, name) })
		if n >= 0 && (name != names[n] || seen[name]) {
			return fmt.Errorf("%q is another %q", clip(name), names[n])
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
	}
	return nil
}
