package ticker

import (
	"cmp"
	"fmt"
	"math/big"
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

// Compare is negative where d is less than e, positive where it is more, and 0 where
// they are the same number, whatever zeros they end with.
func (d Decimal) Compare(e Decimal) int {
	if d == e {
		return 0
	}
	negative := strings.HasPrefix(string(d), "-")
	if negative != strings.HasPrefix(string(e), "-") {
		return compareSigns(d, e)
	}
	if negative {
		return e[1:].compareUnsigned(d[1:])
	}
	return d.compareUnsigned(e)
}

// compareSigns is Compare where one of the two has a minus.
func compareSigns(d, e Decimal) int {
	if !strings.ContainsAny(string(d+e), "123456789") {
		return 0 // -0
	}
	if strings.HasPrefix(string(d), "-") {
		return -1
	}
	return 1
}

// compareUnsigned is Compare without signs. No whole part begins with a zero but 0.
func (d Decimal) compareUnsigned(e Decimal) int {
	if n := cmp.Compare(d.whole(), e.whole()); n != 0 {
		return n
	}
	both := min(len(d), len(e))
	if n := strings.Compare(string(d[:both]), string(e[:both])); n != 0 {
		return n
	}
	// One of them has no more digits, and those of the other may be zeros.
	return cmp.Compare(len(strings.TrimRight(string(d[both:]), ".0")), len(strings.TrimRight(string(e[both:]), ".0")))
}

// Mean is exactly between two numbers, with as many places as the one that has
// more of them, and another one where it takes that.
func Mean(d, e Decimal) Decimal {
	places := max(d.places(), e.places())
	sum := new(big.Int).Add(d.unscaled(places), e.unscaled(places))
	if sum.Bit(0) == 1 {
		sum.Mul(sum, big.NewInt(10))
		places++
	}
	return shift(sum.Rsh(sum, 1).String(), -places)
}

// Minus is exactly d less e, with as many places as the one that has more of them.
func (d Decimal) Minus(e Decimal) Decimal {
	places := max(d.places(), e.places())
	difference := d.unscaled(places)
	return shift(difference.Sub(difference, e.unscaled(places)).String(), -places)
}

// whole counts what stands before the point.
func (d Decimal) whole() int {
	if point := strings.IndexByte(string(d), '.'); point >= 0 {
		return point
	}
	return len(d)
}

// places counts the digits behind the point.
func (d Decimal) places() int { return max(0, len(d)-d.whole()-1) }

// unscaled is d in units of so many places, which are no fewer than d has.
func (d Decimal) unscaled(places int) *big.Int {
	whole, fraction, _ := strings.Cut(string(d), ".")
	n, _ := new(big.Int).SetString(whole+fraction+strings.Repeat("0", places-len(fraction)), 10)
	return n
}

// maxUnits is how many digits surely fit 64 bits.
const maxUnits = 18

// Units is d as a whole number and how many of its digits stand behind the point:
// 42000.10 is 4200010 and 2, from which [AppendUnits] makes the same digits again. It
// is not ok where d is negative or longer than 18 characters.
func (d Decimal) Units() (units int64, places int, ok bool) {
	if d == "" || len(d) > maxUnits {
		return 0, 0, false
	}
	for i := range len(d) {
		switch c := d[i]; {
		case isDigit(c):
			units = 10*units + int64(c-'0')
		case c == '.':
			places = len(d) - i - 1
		default:
			return 0, 0, false
		}
	}
	return units, places, true
}

// AppendUnits appends the decimal that units, which are not negative, and places are.
func AppendUnits(dst []byte, units int64, places int) []byte {
	if places == 0 {
		return strconv.AppendInt(dst, units, 10)
	}
	var buf [maxUnits + 2]byte
	digits := strconv.AppendInt(buf[:0], units, 10)
	whole := len(digits) - places
	if whole <= 0 {
		dst = append(dst, '0', '.')
		for ; whole < 0; whole++ {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:whole]...)
	dst = append(dst, '.')
	return append(dst, digits[whole:]...)
}
