package main

import (
	"strconv"
	"strings"
)

func milliseconds(v float64) string { return twoDigits(v) + " ms" }

func microseconds(v float64) string { return twoDigits(v) + " µs" }

func megabytes(v float64) string { return twoDigits(v/1e6) + " MB" }

func kibibytes(v float64) string { return twoDigits(v/1024) + " KiB" }

// times is a ratio.
func times(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// percent does not round a loss away: 99.996 % is not 100 %.
func percent(v float64) string {
	for digits := 1; digits < 6; digits++ {
		s := strconv.FormatFloat(v*100, 'f', digits, 64)
		if v == 1 {
			return "100 %"
		}
		if !strings.HasPrefix(s, "100") {
			return s + " %"
		}
	}
	return "< 100 %"
}

// twoDigits has two digits at least that say something: 0.27, 2.8, 14, 331.
func twoDigits(v float64) string {
	switch {
	case v < 0.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return grouped(v)
}

// grouped is a whole number with its thousands apart: 3,200.
func grouped(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
