package ticker_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"tickerd/ticker"
)

func TestParseDecimal(t *testing.T) {
	for in, want := range map[string]ticker.Decimal{
		"0":          "0",
		"42000.12":   "42000.12",
		"42000.10":   "42000.10",
		"0.00000001": "0.00000001",
		"-1.5":       "-1.5",
		"-0":         "-0",
		"1e0":        "1",
		"1.5e-7":     "0.00000015",
		"1.5E+7":     "15000000",
		"1.50e1":     "15.0",
		"0.015e2":    "1.5",
		"0e5":        "0",
		"-2e-2":      "-0.02",
		"12.34e0003": "12340",
		"1e-64":      ticker.Decimal("0." + strings.Repeat("0", 63) + "1"),
		"1e64":       ticker.Decimal("1" + strings.Repeat("0", 64)),

		"":                       "",
		"-":                      "",
		".5":                     "",
		"5.":                     "",
		"+5":                     "",
		"01":                     "",
		"-01":                    "",
		"1e":                     "",
		"1e+":                    "",
		"1e1.5":                  "",
		"1e1_0":                  "",
		"1e65":                   "",
		"1e-65":                  "",
		"0x10":                   "",
		"NaN":                    "",
		"Inf":                    "",
		"1 ":                     "",
		" 1":                     "",
		"1,5":                    "",
		"1e99999999999999999999": "",
		strings.Repeat("9", 64):  ticker.Decimal(strings.Repeat("9", 64)),
		strings.Repeat("9", 65):  "",
	} {
		got, err := ticker.ParseDecimal(in)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ticker.ErrDecimal) {
			t.Errorf("ParseDecimal(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestDecimalPositive(t *testing.T) {
	for d, want := range map[ticker.Decimal]bool{
		"1": true, "0.00000001": true, "10": true, "0": false, "0.000": false, "-1": false, "-0": false, "": false,
	} {
		if d.Positive() != want {
			t.Errorf("%q.Positive() = %t", d, !want)
		}
	}
}

// FuzzParseDecimal holds ParseDecimal against encoding/json, which knows the
// grammar, and math/big, which knows the value.
func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-0", "42000.10", "1.5e-7", "1E+7", "0.015e2", "01", "1e65", ".5", "1e1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ticker.ParseDecimal(s)
		isNumber := json.Valid([]byte(s)) && s != "" && strings.ContainsRune("-0123456789", rune(s[0])) &&
			strings.ContainsRune("0123456789", rune(s[len(s)-1]))
		if err != nil {
			// Only a bound may refuse a number.
			if isNumber && len(s) <= 64 && !strings.ContainsAny(s, "eE") {
				t.Fatalf("%q refused: %v", s, err)
			}
			return
		}
		if !isNumber {
			t.Fatalf("%q taken as %q", s, got)
		}
		if !json.Valid([]byte(got)) || strings.ContainsAny(string(got), "eE+") {
			t.Fatalf("%q became %q, no plain JSON number", s, got)
		}
		want, ok := new(big.Rat).SetString(s)
		value, ok2 := new(big.Rat).SetString(string(got))
		if !ok || !ok2 || want.Cmp(value) != 0 {
			t.Fatalf("%q became %q", s, got)
		}
		if got.Positive() != (want.Sign() > 0) {
			t.Fatalf("%q.Positive() = %t", got, got.Positive())
		}
		if !strings.ContainsAny(s, "eE") && string(got) != s {
			t.Fatalf("%q lost its digits: %q", s, got)
		}
	})
}
