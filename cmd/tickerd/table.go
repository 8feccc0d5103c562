package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
)

// What a terminal understands.
const (
	lineUp    = "\x1b[%dA"
	clearLine = "\x1b[K" // from the cursor to its end
	clearDown = "\x1b[J"
	wrapOff   = "\x1b[?7l" // a long line is cut, or counting lines would fail
	wrapOn    = "\x1b[?7h"
	green     = "\x1b[32m"
	red       = "\x1b[31m"
	dim       = "\x1b[2m"
	plain     = "\x1b[0m"
)

// tableScreen is a table on a terminal, redrawn where it stands.
type tableScreen struct {
	out    io.Writer
	height func() int // of the terminal, in lines
	color  bool

	head  string // who watches, or what is wrong
	rows  map[string]*row
	drawn int // lines that stand on the terminal
}

type row struct {
	price price
	move  int       // against the price before: -1, 0, 1
	at    time.Time // of the tick
	state string    // where not live: stale, down
}

func newTableScreen(out *os.File, color bool) *tableScreen {
	height := func() int {
		_, lines, err := term.GetSize(int(out.Fd()))
		if err != nil {
			return 24
		}
		return lines
	}
	return &tableScreen{out: out, height: height, color: color, rows: map[string]*row{}}
}

func (s *tableScreen) show(m *message, _ []byte) error {
	switch m.Type {
	case "welcome":
		s.head = printable(m.UserID) + ", live"
	case "ticker":
		for _, p := range m.Data {
			s.update(p, time.UnixMicro(m.TS))
		}
	case "status":
		for _, symbol := range m.Symbols {
			if r := s.rows[symbol]; r != nil {
				r.state = strings.TrimPrefix(m.State, "live")
			}
		}
	default:
		s.head = cmp.Or(m.news(), s.head)
	}
	return s.draw()
}

func (s *tableScreen) note(text string) error {
	s.head = text
	return s.draw()
}

func (s *tableScreen) update(p price, at time.Time) {
	r := s.rows[p.Symbol]
	if r == nil {
		r = &row{price: p}
		s.rows[p.Symbol] = r
	}
	// A float is exact enough for the direction, and only for that.
	before, _ := r.price.Price.Float64()
	now, _ := p.Price.Float64()
	if before != now {
		r.move = cmp.Compare(now, before)
	}
	r.price, r.at, r.state = p, at, ""
}

func (s *tableScreen) draw() error {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, lineUp, s.drawn)
	}
	b.WriteString(wrapOff)
	lines := s.lines()
	for _, line := range lines {
		b.WriteString(line + clearLine + "\n")
	}
	b.WriteString(clearDown + wrapOn)
	s.drawn = len(lines)
	_, err := io.WriteString(s.out, b.String())
	return err
}

// lines are what is to be seen, no more than the terminal has.
func (s *tableScreen) lines() []string {
	symbols := slices.Sorted(maps.Keys(s.rows))
	wide := 0
	for _, r := range s.rows {
		wide = max(wide, len(r.price.Price))
	}
	lines := []string{s.head, ""}
	for i, symbol := range symbols {
		if len(lines) >= s.height()-2 {
			lines = append(lines, fmt.Sprintf("and %d more", len(symbols)-i))
			break
		}
		lines = append(lines, s.line(symbol, wide))
	}
	return lines
}

// line is one row: "BTC-USD      ▲ 42000.12  12:00:00.000".
func (s *tableScreen) line(symbol string, wide int) string {
	r := s.rows[symbol]
	arrow, color := " ", ""
	switch {
	case r.move > 0:
		arrow, color = "▲", green
	case r.move < 0:
		arrow, color = "▼", red
	}
	if r.state != "" {
		color = dim
	}
	price := fmt.Sprintf("%s %*s", arrow, wide, r.price.Price)
	if s.color && color != "" {
		price = color + price + plain
	}
	return fmt.Sprintf("%-14s%s  %s  %s", printable(symbol), price, r.at.Format("15:04:05.000"), r.state)
}

// printable is foreign text without anything that a terminal takes for a command.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// printJSON is what --json prints.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
