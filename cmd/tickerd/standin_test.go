package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"tickerd/pricefeed/standin"
)

// TestStandin begins and ends exchanges, and asks them where they say they are.
func TestStandin(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	ctx, end := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr strings.Builder
	done := make(chan int, 1)
	go func() {
		p := program{stdin: strings.NewReader(""), stdout: w, stderr: &stderr}
		done <- p.run(ctx, []string{"standin", "--listen", "127.0.0.1:0", "--fault", "coinbase:refuse=503"})
		w.Close() // ends the wait for settings, should it fail
	}()
	lines, given := bufio.NewScanner(r), map[string]string{}
	for len(given) < 6 && lines.Scan() {
		name, address, _ := strings.Cut(lines.Text(), "=")
		given[name] = address
	}
	answer, err := http.Get(given["TICKERD_PRICEFEED_COINBASE_REST"] + "/products/BTC-USD/candles")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", answer.StatusCode)
	}
	end()
	if status := <-done; status != statusDone {
		t.Errorf("status %d, %s", status, &stderr)
	}
}

// What it prints are settings that a server takes.
func TestStandinSettings(t *testing.T) {
	addr := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:8090"))
	if _, _, err := readSettings("", standin.Settings(addr)); err != nil {
		t.Error(err)
	}
}
