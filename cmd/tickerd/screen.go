package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// A screen shows what a watcher hears.
type screen interface {
	// show takes a message of the server, decoded and as it came.
	show(m *message, raw []byte) error
	// note takes news of the connection.
	note(text string) error
}

// A message is what the server sends, of any type, as far as screens show it.
type message struct {
	Type     string   `json:"type"`
	UserID   string   `json:"user_id"`
	Snapshot bool     `json:"snapshot"`
	Seq      uint64   `json:"seq"`
	TS       int64    `json:"ts"` // unix microseconds
	Data     []price  `json:"data"`
	Source   string   `json:"source"`
	State    string   `json:"state"`
	Symbols  []string `json:"symbols"`
	Code     string   `json:"code"`
	Message  string   `json:"message"`
}

// readMessage decodes a message; of one whose type is of no interest here, nothing
// but the type.
func readMessage(raw []byte) (m message, err error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return m, fmt.Errorf("message of the server: %w", err)
	}
	switch head.Type {
	case "welcome", "ticker", "status", "error", "drain":
		if err := json.Unmarshal(raw, &m); err != nil {
			return m, fmt.Errorf("%s of the server: %w", head.Type, err)
		}
	}
	m.Type = head.Type
	return m, nil
}

// A price has the digits that the server sent.
type price struct {
	Symbol    string      `json:"symbol"`
	Price     json.Number `json:"price"`
	Timestamp int64       `json:"timestamp"`
}

// news is what a message that is no tick tells its reader, nothing if it is of no
// interest.
func (m *message) news() string {
	switch m.Type {
	case "status":
		return printable(fmt.Sprintf("%s is %s: %s", m.Source, m.State, strings.Join(m.Symbols, " ")))
	case "error":
		return printable(fmt.Sprintf("the server says %s: %s", m.Code, m.Message))
	case "drain":
		return "the server is going away"
	}
	return ""
}

// rawScreen prints the messages as they come.
type rawScreen struct{ out, err io.Writer }

func (s rawScreen) show(_ *message, raw []byte) error {
	_, err := s.out.Write(append(raw, '\n'))
	return err
}

func (s rawScreen) note(text string) error {
	_, err := fmt.Fprintf(s.err, "tickerd: %s\n", text)
	return err
}

// lineScreen prints a line for each change, for programs that read lines:
// 2026-01-31T12:00:00.123456Z BTC-USD 42000.12
type lineScreen struct {
	rawScreen // which takes notes
	last      map[string]price
}

func newLineScreen(out, err io.Writer) *lineScreen {
	return &lineScreen{rawScreen{out, err}, map[string]price{}}
}

func (s *lineScreen) show(m *message, _ []byte) error {
	if text := m.news(); text != "" {
		return s.note(text)
	}
	var lines strings.Builder
	at := time.UnixMicro(m.TS).UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	for _, p := range m.Data {
		if s.last[p.Symbol] != p { // in a snapshot there is much that is not new
			s.last[p.Symbol] = p
			fmt.Fprintf(&lines, "%s %s %s\n", at, printable(p.Symbol), p.Price)
		}
	}
	if lines.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(s.out, lines.String())
	return err
}
