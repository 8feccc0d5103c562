package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func testTable(color bool) (*tableScreen, *strings.Builder) {
	var out strings.Builder
	return &tableScreen{out: &out, height: func() int { return 24 }, color: color, rows: map[string]*row{}}, &out
}

// tell gives a screen messages as they come from a server.
func tell(t *testing.T, s screen, messages ...string) {
	t.Helper()
	for _, raw := range messages {
		m, err := readMessage([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.show(&m, []byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTable(t *testing.T) {
	s, _ := testTable(false)
	first := time.UnixMicro(1700000000123456).Format("15:04:05.000")
	second := time.UnixMicro(1700000000223456).Format("15:04:05.000")
	lower := strings.ReplaceAll(tick, "42000.20", "9.5")
	for _, step := range []struct {
		message string
		want    []string
	}{
		{welcome, []string{"user:ann, live", ""}},
		{snapshot, []string{"user:ann, live", "", "BTC-USD         42000.10  " + first, "ETH-USD          2500.00  " + first}},
		{tick, []string{"user:ann, live", "", "BTC-USD       ▲ 42000.20  " + second, "ETH-USD          2500.00  " + first}},
		{tick, []string{"user:ann, live", "", "BTC-USD       ▲ 42000.20  " + second, "ETH-USD          2500.00  " + first}},
		{lower, []string{"user:ann, live", "", "BTC-USD       ▼     9.5  " + second, "ETH-USD         2500.00  " + first}},
		{
			`{"type":"status","source":"coinbase","state":"stale","symbols":["ETH-USD","NEW-USD"]}`,
			[]string{"user:ann, live", "", "BTC-USD       ▼     9.5  " + second, "ETH-USD         2500.00  " + first + "  stale"},
		},
		{
			`{"type":"status","source":"coinbase","state":"live","symbols":["ETH-USD"]}`,
			[]string{"user:ann, live", "", "BTC-USD       ▼     9.5  " + second, "ETH-USD         2500.00  " + first},
		},
		{
			`{"type":"drain","reconnect_in_ms":1}`,
			[]string{"the server is going away", "", "BTC-USD       ▼     9.5  " + second, "ETH-USD         2500.00  " + first},
		},
	} {
		tell(t, s, step.message)
		got := s.lines()
		for i := range got {
			got[i] = strings.TrimRight(got[i], " ")
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("after %s:\ngot  %q\nwant %q", step.message, got, step.want)
		}
	}
}

func TestTableStandsWhereItIs(t *testing.T) {
	s, out := testTable(true)
	tell(t, s, welcome, snapshot)
	out.Reset()
	tell(t, s, tick)
	at := func(micros int64) string { return time.UnixMicro(micros).Format("15:04:05.000") }
	want := "\x1b[4A\x1b[?7l" +
		"user:ann, live\x1b[K\n" +
		"\x1b[K\n" +
		"BTC-USD       \x1b[32m▲ 42000.20\x1b[0m  " + at(1700000000223456) + "  \x1b[K\n" +
		"ETH-USD         2500.00  " + at(1700000000123456) + "  \x1b[K\n" +
		"\x1b[J\x1b[?7h"
	if out.String() != strings.Replace(want, "ETH-USD         2500.00", "ETH-USD          2500.00", 1) {
		t.Errorf("got  %q\nwant %q", out, want)
	}

	out.Reset()
	if err := s.note("connection lost"); err != nil || !strings.HasPrefix(out.String(), "\x1b[4A\x1b[?7lconnection lost\x1b[K\n") {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestTableIsNoHigherThanTheTerminal(t *testing.T) {
	s, _ := testTable(false)
	s.height = func() int { return 6 }
	for i := range 5 {
		tell(t, s, fmt.Sprintf(`{"type":"ticker","seq":1,"ts":1,"data":[{"symbol":"S%d-USD","price":1,"timestamp":1}]}`, i))
	}
	got := s.lines()
	if len(got) != 5 || got[4] != "and 3 more" {
		t.Errorf("got %q", got)
	}
}

func TestTableHidesCommands(t *testing.T) {
	s, out := testTable(false)
	tell(t, s, `{"type":"welcome","user_id":"\u001b[31m"}`,
		`{"type":"ticker","seq":1,"ts":1,"data":[{"symbol":"\u001b[2J","price":1,"timestamp":1}]}`)
	if strings.Contains(out.String(), "\x1b[31m") || strings.Contains(out.String(), "\x1b[2J") {
		t.Errorf("got %q", out)
	}
}

func TestNoColor(t *testing.T) {
	for pair, want := range map[string]bool{"NO_COLOR=1": true, "NO_COLOR=": false, "NO_COLORS=1": false, "COLOR=1": false} {
		if got := noColor(pair); got != want {
			t.Errorf("%s: got %v, want %v", pair, got, want)
		}
	}
}

func TestMessageThatCannotBeRead(t *testing.T) {
	for raw, want := range map[string]string{
		`{`:                               "message of the server: ",
		`[]`:                              "message of the server: ",
		`{"type":"ticker","data":"none"}`: "ticker of the server: ",
	} {
		if _, err := readMessage([]byte(raw)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s…", raw, err, want)
		}
	}
}
