package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/zstd"
)

const (
	next  = `{"type":"ticker","seq":9,"ts":1700000000323456,"data":[{"symbol":"BTC-USD","price":42000.30,"timestamp":1700000000}]}`
	later = `{"type":"ticker","snapshot":true,"seq":12,"ts":1700000000423456,"data":[{"symbol":"BTC-USD","price":42000.40,"timestamp":1700000000}]}`
)

// linesOf gives the lines of a recording, which need not have an end.
func linesOf(t *testing.T, recording io.Reader) []string {
	t.Helper()
	r, err := zstd.NewReader(recording, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// expectFile compares a recording's lines.
func expectFile(t *testing.T, path string, want ...string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := linesOf(t, file); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// heard waits until the client has taken all that was sent to it.
func (p *peer) heard() {
	p.t.Helper()
	p.frame(ws.NewPingFrame(nil))
	p.expect(ws.OpPong)
}

// expectMatch waits for a line that matches.
func (l lines) expectMatch(t *testing.T, pattern string) {
	t.Helper()
	select {
	case got := <-l.c:
		if !regexp.MustCompile(pattern).MatchString(got) {
			t.Fatalf("got  %q\nwant %q", got, pattern)
		}
	case <-time.After(patience):
		t.Fatalf("nothing comes, want %q", pattern)
	}
}

func TestRecord(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "recording")
	w := client(t, s, "record", "--symbols", "BTC-USD,ETH-*", "--output", file)
	p := s.next(t)
	if p.query != "symbols=BTC-USD%2CETH-%2A" {
		t.Errorf("query %q", p.query)
	}
	for _, message := range []string{welcome, snapshot, tick, `{"type":"later","seq":7}`} {
		p.send(message)
	}
	p.send(`{"type":"status","source":"coinbase","state":"stale","symbols":["BTC-USD"]}`)
	w.stderr.expect(t, "tickerd: coinbase is stale: BTC-USD")
	p.close(1001, "node is going away")
	w.stderr.expectMatch(t, "node is going away; reconnecting in ")

	p = s.next(t) // nothing was missed
	if !strings.Contains(p.query, "since=8") {
		t.Errorf("query %q", p.query)
	}
	p.send(welcome)
	p.send(next)
	p.heard()
	p.conn.Close()
	w.stderr.expectMatch(t, "connection lost")

	p = s.next(t) // something was
	p.send(welcome)
	p.send(later)
	p.send(later) // the same once more is no gap
	p.heard()
	w.interrupt()
	w.stderr.expectMatch(t, `^tickerd: \d+ s: 5 ticks, \d+ bytes, 1 gaps$`)
	w.end(t, 0)
	expectFile(t, file, snapshot, tick, next, later, later)
}

func TestRecordForSomeTime(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "recording")
	w := client(t, s, "record", "--output", file, "--duration", "1ms")
	p := s.next(t)
	p.send(welcome)
	p.heard()
	p.send(snapshot)
	w.end(t, 0)
	expectFile(t, file, snapshot)
}

func TestRecordToStandardOutput(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr bytes.Buffer
	p := program{stdin: strings.NewReader("tk_good\n"), stdout: &stdout, stderr: &stderr}
	status := make(chan int, 1)
	go func() { status <- p.run(ctx, []string{"record", "--key", "-", "--url", s.URL, "--output", "-"}) }()
	peer := s.next(t)
	peer.send(welcome)
	peer.send(snapshot)
	peer.heard()
	cancel()
	if got := <-status; got != 0 {
		t.Errorf("status %d: %s", got, &stderr)
	}
	if got := linesOf(t, &stdout); !slices.Equal(got, []string{snapshot}) {
		t.Errorf("got %q", got)
	}
}

// A recording is not overwritten unless that is wanted, and not before there is another.
func TestRecordOverwrites(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "recording")
	write(t, file, "precious")
	w := client(t, s, "record", "--output", file)
	p := s.next(t)
	p.send(welcome)
	p.send(snapshot)
	w.stderr.expect(t, "tickerd: write: "+file+" is there already; --force overwrites it")
	w.end(t, 1)

	w = client(t, s, "record", "--output", file, "--force")
	p = s.next(t)
	p.send(welcome)
	p.heard()
	if got, err := os.ReadFile(file); err != nil || string(got) != "precious" {
		t.Errorf("got %q, %v", got, err)
	}
	p.send(snapshot)
	p.heard()
	w.interrupt()
	w.end(t, 0)
	expectFile(t, file, snapshot)
}

func TestRecordNothing(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "recording")
	w := client(t, s, "record", "--output", file)
	p := s.next(t)
	p.send(welcome)
	p.heard()
	w.interrupt()
	w.end(t, 0)

	s.refuseWith("/auth/token", 401, "invalid API key")
	w = client(t, s, "record", "--output", file)
	w.stderr.expect(t, "tickerd: get a token: invalid API key")
	w.end(t, 1)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("a file of nothing: %v", err)
	}
}

func TestRecordWhereNothingCanBe(t *testing.T) {
	s := newSite(t)
	w := client(t, s, "record", "--output", filepath.Join(t.TempDir(), "none", "recording"))
	p := s.next(t)
	p.send(welcome)
	p.send(snapshot)
	w.stderr.expectMatch(t, "^tickerd: write: open .*recording: no such file or directory$")
	w.end(t, 1)
}

// buffer is an output that shows what is in it.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (*buffer) Close() error { return nil }

// sleep lets time go by in a bubble, and all be done that is due.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A crash costs a second, and once in ten there is word of it.
func TestRecorderFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var output, told buffer
		p := program{stderr: &told}
		r := newRecorder(func() (io.WriteCloser, error) { return &output, nil }, p.remark)
		ended := make(chan error, 1)
		go func() { ended <- r.keep(t.Context(), 11*time.Second) }()
		time.Sleep(time.Hour) // before the first message
		show := func(text string) {
			m, err := readMessage([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.show(&m, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		show(snapshot)
		sleep(1500 * time.Millisecond)
		if got := linesOf(t, strings.NewReader(output.String())); !slices.Equal(got, []string{snapshot}) {
			t.Errorf("after a second there is %q", got)
		}
		show(tick)
		sleep(8 * time.Second)
		if told.String() != "" {
			t.Errorf("after 9.5 s it says %s", &told)
		}
		sleep(time.Second)
		if want := "tickerd: 10 s: 2 ticks, "; !strings.HasPrefix(told.String(), want) {
			t.Errorf("after 10 s it says %q", &told)
		}
		if got := linesOf(t, strings.NewReader(output.String())); !slices.Equal(got, []string{snapshot, tick}) {
			t.Errorf("after 10 s there is %q", got)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := r.close(); err != nil || !strings.Contains(told.String(), "11 s: 2 ticks, ") {
			t.Errorf("got %v, %s", err, &told)
		}
	})
}

// full is an output that takes nothing.
type full struct{ fullDisk }

func (full) Close() error { return nil }

func TestRecorderOfAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := program{stderr: io.Discard}
		r := newRecorder(func() (io.WriteCloser, error) { return full{}, nil }, p.remark)
		if err := r.show(&message{Type: "ticker"}, []byte(tick)); err != nil {
			t.Fatal(err)
		}
		if err := r.keep(t.Context(), 0); err == nil || err.Error() != "no space left on device" {
			t.Errorf("got %v", err)
		}
		if err := r.close(); err == nil {
			t.Error("it was closed")
		}
	})
}
