// Package bench is a crowd of clients for measuring a tickerd: it opens very many
// connections to /ws/ticker, counts what arrives, and says what it came to.
//
//	report, err := bench.Run(ctx, bench.Config{
//		URL:      u, // http://127.0.0.1:8081
//		Token:    token,
//		Conns:    10_000,
//		Duration: 10 * time.Second,
//	}, func(p bench.Progress) { fmt.Fprintln(os.Stderr, p) })
//	report.Print(os.Stdout)
//
// A run has these parts. The connections are spread over shards, one for each
// thread, and never move. Each shard is carried by a carrier: on Linux an epoll loop
// that owns its sockets, elsewhere and for TLS a goroutine for each connection. What
// a carrier reads it hands to the shard, which counts: a [Report] is the same
// whoever carried it.
//
// # Which ticks count
//
// When the window opens, all shards are stopped for a moment, and S is the highest
// seq that any connection has seen. When it closes, they are stopped again, and E is
// the highest seq by then. The ticks after S up to E are the window's, for every
// connection the same, whatever clock the publisher has. Reading goes on for a while
// afterwards, so that a tick which is late counts as late and not as missing.
//
// Within the window the published ticks are those that some connection got, and
// those that a snapshot replaced: the numbers between two ticks that follow one
// another on a connection without a snapshot between them were never meant for it.
package bench
