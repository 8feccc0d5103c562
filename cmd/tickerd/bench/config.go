package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"runtime"
	"time"
)

// Config says what a run does. The zero value of a field stands for its default.
type Config struct {
	URL   *url.URL    // of the server: http://127.0.0.1:8081, or https
	TLS   *tls.Config // nil: the system's certificates
	Token string      // sent as Authorization: Bearer

	Symbols  []string      // what to subscribe, as the server takes it; none: everything
	Interval time.Duration // at most one update in this time; 0: every tick
	Deflate  bool          // offer permessage-deflate without context takeover

	Conns int  // connections that are read, 1 or more
	Slow  int  // connections beside them that are opened and never read
	Churn bool // a connection is closed after its first snapshot, and opened again

	Sources    []netip.Addr // addresses of this machine to connect from; none: see sourcesFor
	Connecting int          // handshakes under way at once; 0: 128
	Rate       float64      // handshakes begun a second; 0: no limit
	Threads    int          // event loops; 0: GOMAXPROCS

	Begin    <-chan struct{} // closed when what follows the last handshake may begin; nil: at once
	Warmup   time.Duration   // between that and the window
	Duration time.Duration   // of the window
}

// defaultConnecting is how many handshakes are under way at once. A server's queue
// of connections to accept has room for them.
const defaultConnecting = 128

// Validate names the first field that cannot be meant.
func (c Config) Validate() error {
	switch {
	case c.Conns < 1:
		return fmt.Errorf("the number of connections must be 1 or more, not %d", c.Conns)
	case c.Slow < 0:
		return fmt.Errorf("the number of slow connections must not be negative, as %d is", c.Slow)
	case c.Connecting < 0:
		return fmt.Errorf("the number of handshakes under way must be 1 or more, not %d", c.Connecting)
	case c.Threads < 0:
		return fmt.Errorf("the number of threads must be 1 or more, not %d", c.Threads)
	case !(c.Rate >= 0):
		return fmt.Errorf("the rate of handshakes must not be negative, as %v is", c.Rate)
	case c.Duration <= 0:
		return fmt.Errorf("the duration must be longer than %v", c.Duration)
	case c.Warmup < 0:
		return fmt.Errorf("the time to warm up must not be negative, as %v is", c.Warmup)
	case c.Interval < 0:
		return fmt.Errorf("the interval must not be negative, as %v is", c.Interval)
	case c.URL == nil || c.URL.Hostname() == "":
		return errors.New("the server's address is missing")
	}
	return nil
}

// withDefaults has every default in its place. There are no more threads than
// connections, nor than handshakes that may be under way.
func (c Config) withDefaults() Config {
	if c.Connecting == 0 {
		c.Connecting = defaultConnecting
	}
	if c.Threads == 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	c.Threads = min(c.Threads, c.Conns+c.Slow, c.Connecting)
	return c
}

// secure reports whether the connections are to be encrypted.
func (c Config) secure() bool { return c.URL.Scheme == "https" || c.URL.Scheme == "wss" }

// share is the part of n things that falls to shard i of so many.
func share(n, i, shards int) int {
	part := n / shards
	if i < n%shards {
		part++
	}
	return part
}
