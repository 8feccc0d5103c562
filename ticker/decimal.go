package ticker

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxDigits   = 64 // of a decimal as given
	maxExponent = 64 // written out, it stays within a line
)

// A Decimal is a number as its source wrote it: digits with at most one point,
// valid as a JSON number, never passed through a float. "42000.10" keeps its
// last zero.
type Decimal string

// ParseDecimal takes a JSON number, or the same in an exchange's string. An
// exponent is written out: "1.5e-7" becomes "0.00000015".
func ParseDecimal(s string) (Decimal, error) {
	mantissa, exponent, err := splitNumber(s)
	if err != nil {
		return "", fmt.Errorf("%w: %q: %w", ErrDecimal, clip(s), err)
	}
	if exponent == 0 {
		return Decimal(mantissa), nil
	}
	return shift(mantissa, exponent), nil
}

// Positive reports whether d is above zero, as every price is.
func (d Decimal) Positive() bool {
	return !strings.HasPrefix(string(d), "-") && strings.ContainsAny(string(d), "123456789")
}

// splitNumber checks the grammar of a JSON number (RFC 8259, section 6) and
// parts it at the exponent.
func splitNumber(s string) (mantissa string, exponent int, err error) {
	if len(s) > maxDigits {
		return "", 0, fmt.Errorf("longer than %d characters", maxDigits)
	}
	rest := strings.TrimPrefix(s, "-")
	whole := digits(rest)
	if whole == 0 || whole > 1 && rest[0] == '0' {
		return "", 0, errNotNumber
	}
	rest = rest[whole:]
	if strings.HasPrefix(rest, ".") {
		fraction := digits(rest[1:])
		if fraction == 0 {
			return "", 0, errNotNumber
		}
		rest = rest[1+fraction:]
	}
	mantissa = s[:len(s)-len(rest)]
	if rest == "" {
		return mantissa, 0, nil
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return "", 0, errNotNumber
	}
	// Atoi takes the sign of an exponent as JSON does, but for an underscore,
	// which it refuses too.
	exponent, err = strconv.Atoi(rest[1:])
	if err != nil {
		return "", 0, errNotNumber
	}
	if exponent < -maxExponent || exponent > maxExponent {
		return "", 0, fmt.Errorf("exponent beyond ±%d", maxExponent)
	}
	return mantissa, exponent, nil
}

const errNotNumber = Error("not a JSON number")

// digits counts the leading decimal digits.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

// shift moves the mantissa's point by exponent places.
func shift(mantissa string, exponent int) Decimal {
	sign := ""
	if strings.HasPrefix(mantissa, "-") {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := whole + fraction
	point := len(whole) + exponent
	switch {
	case point <= 0:
		all, point = strings.Repeat("0", 1-point)+all, 1
	case point > len(all):
		all += strings.Repeat("0", point-len(all))
	}
	whole = strings.TrimLeft(all[:point], "0")
	if whole == "" {
		whole = "0"
	}
	if point == len(all) {
		return Decimal(sign + whole)
	}
	return Decimal(sign + whole + "." + all[point:])
}
