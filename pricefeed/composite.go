package pricefeed

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"tickerd/bus"
	"tickerd/ticker"
)

// maxSources is how many a sources has room for.
const maxSources = 8

// A sources is a set of them, by their numbers.
type sources uint8

func (s sources) with(i int) sources { return s | 1<<i }
func (s sources) has(i int) bool     { return s&(1<<i) != 0 }

// names are those of the sources.
func (s sources) names(origins []*origin) (names []string) {
	for i, o := range origins {
		if s.has(i) {
			names = append(names, o.name)
		}
	}
	return names
}

// A verdict is what all sources together say of a symbol.
type verdict struct {
	said
	from     sources // those that stand behind the price
	outliers sources // those that are live, and left out
}

// judge makes one of what each source says of a symbol: the median of the prices of
// those that are live. Who is farther than band, a share of it, from the median of
// all is left out, and does not count. Where that is all of them, as when two
// disagree, nobody can tell which is right: there is no price, and the symbol is
// stale.
//
// The price ends with no more zeros than that of the source with the fewest digits: it
// looks alike whichever source is in the middle.
//
// Who was left out comes back within half the band, so that nobody at its edge goes to
// and fro.
func judge(each []said, band float64, was sources) verdict {
	if len(each) == 1 {
		return verdict{said: each[0], from: 1}
	}
	var v verdict
	var list [maxSources]quote
	quotes := list[:0]
	v.state = bus.Down
	for i, s := range each {
		if s.heard.After(v.heard) {
			v.heard = s.heard
		}
		if s.state == bus.Live || v.state == bus.Down {
			v.state = s.state
		}
		if s.state == bus.Live && s.price.Price != "" {
			quotes = append(quotes, quote{i, s.price})
		}
	}
	if len(quotes) == 0 {
		return v
	}
	near := quotes
	if len(quotes) > 1 {
		near = v.leaveOut(quotes, band, was)
	}
	if len(near) == 0 {
		v.state = bus.Stale
		return v
	}
	v.price = near[0].price
	v.price.Price = median(near)
	least := math.MaxInt
	for _, q := range near {
		v.from = v.from.with(q.source)
		least = min(least, places(q.price.Price))
		v.price.Timestamp = max(v.price.Timestamp, q.price.Timestamp)
	}
	v.price.Price = trim(v.price.Price, least)
	return v
}

// A quote is a source's price.
type quote struct {
	source int
	price  ticker.Price
}

// leaveOut drops from quotes those that are farther than band from their median, or
// than half of it where they were left out before.
func (v *verdict) leaveOut(quotes []quote, band float64, was sources) []quote {
	middle := float(median(quotes))
	return slices.DeleteFunc(quotes, func(q quote) bool {
		far := band * middle
		if was.has(q.source) {
			far /= 2
		}
		out := math.Abs(float(q.price.Price)-middle) > far
		if out {
			v.outliers = v.outliers.with(q.source)
		}
		return out
	})
}

// median sorts quotes, of which there is one at least.
func median(quotes []quote) ticker.Decimal {
	slices.SortFunc(quotes, func(a, b quote) int { return a.price.Price.Compare(b.price.Price) })
	n := len(quotes)
	if n%2 == 1 {
		return quotes[n/2].price.Price
	}
	return ticker.Mean(quotes[n/2-1].price.Price, quotes[n/2].price.Price)
}

// float is near a decimal: enough to tell who is far off, and for nothing else.
func float(d ticker.Decimal) float64 {
	f, err := strconv.ParseFloat(string(d), 64)
	if err != nil {
		return math.NaN() // which is far from everything
	}
	return f
}

// places counts the digits behind the point.
func places(d ticker.Decimal) int {
	_, fraction, _ := strings.Cut(string(d), ".")
	return len(fraction)
}

// trim drops the zeros at the end of what stands behind the point, but for so many
// digits.
func trim(d ticker.Decimal, least int) ticker.Decimal {
	more := places(d) - least
	for ; more > 0 && d[len(d)-1] == '0'; more-- {
		d = d[:len(d)-1]
	}
	return ticker.Decimal(strings.TrimSuffix(string(d), "."))
}
