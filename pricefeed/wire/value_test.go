package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"tickerd/ticker"
)

func TestText(t *testing.T) {
	for raw, want := range map[string]string{
		`"BTC-USD"`: "BTC-USD", `""`: "", `"BTC\u002dUSD"`: "BTC-USD", `"ä"`: "ä", `"\""`: `"`,
	} {
		if got, ok := Text([]byte(raw)); string(got) != want || !ok {
			t.Errorf("%s: %q, %v", raw, got, ok)
		}
	}
	for _, raw := range []string{"", `"`, "null", "7", "{}", "[]", `"a\"`, "\"\n\""} {
		if got, ok := Text([]byte(raw)); ok {
			t.Errorf("%s: %q", raw, got)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte(`"BTC\u002dUSD"`))
	f.Add([]byte(`"plain"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want *string
		if err := json.Unmarshal(raw, &want); err != nil {
			return // a value that was read is valid
		}
		got, ok := Text(raw)
		if isString := want != nil; len(raw) > 0 && raw[0] == '"' && (ok != isString || string(got) != *want) {
			t.Errorf("%q: %q, %v", raw, got, ok)
		}
	})
}

func TestUint(t *testing.T) {
	for raw, want := range map[string]uint64{"0": 0, "null": 0, "7": 7, "18446744073709551615": 1<<64 - 1} {
		if got, err := Uint([]byte(raw)); got != want || err != nil {
			t.Errorf("%s: %d, %v", raw, got, err)
		}
	}
	if got, err := Uint(nil); got != 0 || err != nil {
		t.Errorf("none: %d, %v", got, err)
	}
	for _, raw := range []string{"-1", "1.0", "1e3", `"7"`, "18446744073709551616", "true", "{}"} {
		if got, err := Uint([]byte(raw)); got != 0 || !errors.Is(err, ErrUint) {
			t.Errorf("%s: %d, %v", raw, got, err)
		}
	}
}

func TestPrice(t *testing.T) {
	for raw, want := range map[string]ticker.Decimal{
		`"84737.5800"`: "84737.5800", `84737.5800`: "84737.5800", `1.5e-7`: "0.00000015", `"1.5e-7"`: "0.00000015",
		`0.000000123456`: "0.000000123456", `123456789012345.123456789012345678`: "123456789012345.123456789012345678",
	} {
		if got, err := Price([]byte(raw)); got != want || err != nil {
			t.Errorf("%s: %s, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]error{
		`0`: ErrPrice, `"0.00"`: ErrPrice, `-1`: ErrPrice, `1e60`: ErrPrice, `1234567890123456`: ErrPrice,
		`0.1234567890123456789`: ErrPrice, `1e-19`: ErrPrice,
		``: ticker.ErrDecimal, `null`: ticker.ErrDecimal, `""`: ticker.ErrDecimal, `"NaN"`: ticker.ErrDecimal, `"1,5"`: ticker.ErrDecimal,
		`{}`: ticker.ErrDecimal, `1e999`: ticker.ErrDecimal,
	} {
		if got, err := Price([]byte(raw)); got != "" || !errors.Is(err, want) {
			t.Errorf("%s: %s, %v", raw, got, err)
		}
	}
}

func FuzzPrice(f *testing.F) {
	f.Add([]byte(`"84737.58"`))
	f.Add([]byte(`1.5e-7`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Price(bytes.Clone(raw))
		if err != nil {
			return
		}
		if !p.Positive() || !json.Valid([]byte(p)) || len(p) > maxWhole+1+maxFraction {
			t.Errorf("%q: %s", raw, p)
		}
	})
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 10, 3, 20, 58, 31, 127_000_000, time.UTC)
	if got := Time([]byte(`"2026-10-03T20:58:31.127Z"`)); !got.Equal(at) {
		t.Errorf("%v", got)
	}
	if got := Millis([]byte("1791061111127")); !got.Equal(at) {
		t.Errorf("%v", got)
	}
	for _, raw := range []string{"", "null", `""`, `"yesterday"`, "-1", "0", "9223372036854775808", "1.5", "{}"} {
		if got := Time([]byte(raw)); !got.IsZero() {
			t.Errorf("%s: %v", raw, got)
		}
		if got := Millis([]byte(raw)); !got.IsZero() {
			t.Errorf("%s ms: %v", raw, got)
		}
	}
}

func TestIsLower(t *testing.T) {
	if !IsLower([]byte("product_id2")) || !IsLower(nil) || IsLower([]byte("productId")) {
		t.Error("a name's case is not seen")
	}
}
