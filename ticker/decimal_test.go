package ticker_test

import (
	"cmp"
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

// rat is the value of a decimal.
func rat(t testing.TB, d ticker.Decimal) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(string(d))
	if !ok {
		t.Fatalf("%q is no number", d)
	}
	return r
}

func TestDecimalCompare(t *testing.T) {
	inOrder := []ticker.Decimal{"-10", "-9.5", "-9.49", "-0.001", "0", "0.001", "0.0010001", "0.01", "1", "1.09", "1.1", "9", "10", "10.5", "100"}
	for i, d := range inOrder {
		for j, e := range inOrder {
			if got, want := d.Compare(e), cmp.Compare(i, j); got != want {
				t.Errorf("%s.Compare(%s) = %d, want %d", d, e, got, want)
			}
		}
	}
	for _, same := range [][2]ticker.Decimal{{"1", "1.0"}, {"1.50", "1.5"}, {"0", "-0"}, {"0", "-0.00"}, {"-2.10", "-2.1"}, {"0.0", "0"}} {
		if a, b := same[0].Compare(same[1]), same[1].Compare(same[0]); a != 0 || b != 0 {
			t.Errorf("%s and %s compare %d and %d", same[0], same[1], a, b)
		}
	}
}

func TestMean(t *testing.T) {
	for _, tt := range [][3]ticker.Decimal{
		{"1", "2", "1.5"},
		{"1", "3", "2"},
		{"1.0", "3", "2.0"},
		{"42000.12", "42000.13", "42000.125"},
		{"0.00000001", "0", "0.000000005"},
		{"-1", "1", "0"},
		{"-1", "-2", "-1.5"},
	} {
		if got := ticker.Mean(tt[0], tt[1]); got != tt[2] {
			t.Errorf("Mean(%s, %s) = %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}

func TestDecimalMinus(t *testing.T) {
	for _, tt := range [][3]ticker.Decimal{
		{"42000.12", "41000", "1000.12"},
		{"41000", "42000.12", "-1000.12"},
		{"1.5", "1.50", "0.00"},
		{"0.1", "0.3", "-0.2"},
		{"100", "1", "99"},
	} {
		if got := tt[0].Minus(tt[1]); got != tt[2] {
			t.Errorf("%s.Minus(%s) = %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}

func TestDecimalUnits(t *testing.T) {
	for _, tt := range []struct {
		d      ticker.Decimal
		units  int64
		places int
	}{
		{"42000.10", 4200010, 2},
		{"0", 0, 0},
		{"0.00", 0, 2},
		{"0.00000001", 1, 8},
		{"999999999999999999", 999999999999999999, 0},
		{"0.9999999999999999", 9999999999999999, 16},
	} {
		if units, places, ok := tt.d.Units(); units != tt.units || places != tt.places || !ok {
			t.Errorf("%s.Units() = %d, %d, %t", tt.d, units, places, ok)
		}
	}
	for _, d := range []ticker.Decimal{"", "-1", "1000000000000000000", "0.12345678901234567"} {
		if units, places, ok := d.Units(); ok {
			t.Errorf("%q.Units() = %d, %d", d, units, places)
		}
	}
}

// FuzzDecimalArithmetic holds what is done with two numbers against math/big.
func FuzzDecimalArithmetic(f *testing.F) {
	for _, pair := range [][2]string{{"1", "1.0"}, {"-0", "0.00"}, {"42000.12", "42000.1"}, {"-1.5", "-1.50"}, {"10", "9.99"}, {"1e-64", "1e64"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		d, err := ticker.ParseDecimal(a)
		if err != nil {
			t.Skip()
		}
		e, err := ticker.ParseDecimal(b)
		if err != nil {
			t.Skip()
		}
		x, y := rat(t, d), rat(t, e)
		if got, want := d.Compare(e), x.Cmp(y); got != want {
			t.Fatalf("%s.Compare(%s) = %d, want %d", d, e, got, want)
		}
		mean := ticker.Mean(d, e)
		if want := new(big.Rat).Add(x, y); rat(t, mean).Cmp(want.Quo(want, big.NewRat(2, 1))) != 0 || !json.Valid([]byte(mean)) {
			t.Fatalf("Mean(%s, %s) = %s", d, e, mean)
		}
		minus := d.Minus(e)
		if rat(t, minus).Cmp(new(big.Rat).Sub(x, y)) != 0 || !json.Valid([]byte(minus)) {
			t.Fatalf("%s.Minus(%s) = %s", d, e, minus)
		}
		if units, places, ok := d.Units(); ok {
			if again := ticker.AppendUnits(nil, units, places); string(again) != string(d) {
				t.Fatalf("%s is %d and %d, and those are %s", d, units, places, again)
			}
		} else if len(d) <= 18 && d[0] != '-' {
			t.Fatalf("%s has no units", d)
		}
	})
}

func BenchmarkDecimalCompare(b *testing.B) {
	d, e := ticker.Decimal("42000.12"), ticker.Decimal("42000.13")
	for b.Loop() {
		if d.Compare(e) >= 0 {
			b.Fatal()
		}
	}
}

func BenchmarkMean(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ticker.Mean("42000.12", "42000.13")
	}
}
