package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tickerd/ticker"
)

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// What a value can be instead of what it should be.
const (
	ErrUint  = Error("not a whole number of 64 bits")
	ErrPrice = Error("absurd price")
)

// IsLower reports whether a name is its own lower case: no other name is the same to
// encoding/json.
func IsLower(name []byte) bool {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// Text is the content of a string; false for any other value. It is part of raw, or a
// copy.
func Text(raw []byte) ([]byte, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, false
	}
	content := raw[1 : len(raw)-1]
	if isPlain(content) {
		return content, true
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, false
	}
	return []byte(s), true
}

// Uint is a whole number; 0 when there is none.
func Uint(raw []byte) (uint64, error) {
	if raw == nil || string(raw) == "null" {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		return 0, ErrUint
	}
	return n, nil
}

// No price has more digits before or after the point: the dearest coin is below
// a million dollars, and what counts in the finest steps, ether, has 18 of them.
const (
	maxWhole    = 15
	maxFraction = 18
)

// Price is a decimal above zero and not beyond all measure, in a string or bare, with
// the digits that it has.
func Price(raw []byte) (ticker.Decimal, error) {
	number, ok := Text(raw)
	if !ok {
		number = raw
	}
	p, err := ticker.ParseDecimal(string(number))
	if err != nil {
		return "", err
	}
	whole, fraction, _ := strings.Cut(string(p), ".")
	if !p.Positive() || len(whole) > maxWhole || len(fraction) > maxFraction {
		return "", fmt.Errorf("%w: %s", ErrPrice, p)
	}
	return p, nil
}

// Time is a time of RFC 3339, zero when there is none: a price is worth having
// without it.
func Time(raw []byte) time.Time {
	s, ok := Text(raw)
	if !ok {
		return time.Time{}
	}
	var t time.Time
	if err := t.UnmarshalText(s); err != nil {
		return time.Time{}
	}
	return t
}

// Millis is Time for unix milliseconds.
func Millis(raw []byte) time.Time {
	n, err := Uint(raw)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return time.Time{}
	}
	return time.UnixMilli(int64(n))
}
