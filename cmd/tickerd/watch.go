package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"
)

// watchCommand shows live prices until it is interrupted.
type watchCommand struct {
	remoteFlags
	Symbols  []string       `placeholder:"SYMBOL" help:"What to watch: BTC-USD, or a pattern such as BTC-*; all that the key may see if left out."`
	Interval *time.Duration `placeholder:"DURATION" help:"At most one update of a symbol in this time; every one if left out, on a terminal one in 100ms."`
	JSON     bool           `name:"json" help:"Print the server's messages as they come, one a line."`
}

// eyeInterval is as often as a table changes on a terminal, unless told otherwise.
const eyeInterval = 100 * time.Millisecond

func (c watchCommand) Run(ctx context.Context, p *program) error {
	key, err := c.key(ctx, p)
	if err != nil {
		return err
	}
	w := watcher{remote: remote{url: c.URL}, key: key, symbols: c.Symbols, interval: c.Interval}
	out, onFile := p.stdout.(*os.File)
	switch {
	case c.JSON:
		w.screen = rawScreen{p.stdout, p.stderr}
	case onFile && term.IsTerminal(int(out.Fd())):
		w.screen = newTableScreen(out, !slices.ContainsFunc(p.environ, noColor))
		if w.interval == nil {
			w.interval = new(eyeInterval)
		}
	default:
		w.screen = newLineScreen(p.stdout, p.stderr)
	}
	return w.run(ctx)
}

// noColor is the wish of https://no-color.org.
func noColor(pair string) bool {
	value, ok := strings.CutPrefix(pair, "NO_COLOR=")
	return ok && value != ""
}

// A watcher keeps a stream of prices open, whatever happens to it.
type watcher struct {
	remote   remote
	key      string
	symbols  []string
	interval *time.Duration // nil: left to the server
	screen   screen

	welcomed bool   // the server has been reached once
	failures int    // in a row
	drained  bool   // the server has said when it would end this stream
	seq      uint64 // of the last tick
}

// run returns when ctx ends, or when there is no use in going on.
func (w *watcher) run(ctx context.Context) error {
	for {
		err := w.connection(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if w.lasting(err) {
			return err
		}
		wait := w.backoff(err)
		if err := w.screen.note(fmt.Sprintf("%v; reconnecting in %v", err, wait.Round(time.Millisecond))); err != nil {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// lasting reports whether connecting again is of no use. A server that was never
// reached is not waited for: its address may be wrong.
func (w *watcher) lasting(err error) bool {
	if v, ok := errors.AsType[verdict](err); ok {
		return v.lasting()
	}
	return !w.welcomed || errors.Is(err, errScreen)
}

// A verdict is what the server itself says: *refusal before a stream, *closed at
// its end.
type verdict interface {
	error
	lasting() bool // connecting again is of no use
}

// backoff is the time to wait before the next attempt, at once after a drain: the
// server has spread those.
func (w *watcher) backoff(err error) time.Duration {
	const first, most = 250 * time.Millisecond, 15 * time.Second
	if w.drained {
		return 0
	}
	wait := min(first<<min(w.failures, 10), most)
	w.failures++
	wait = wait/2 + rand.N(wait/2)
	if refused, ok := errors.AsType[*refusal](err); ok {
		wait = max(wait, refused.retryAfter)
	}
	return wait
}

// connection is one stream from its beginning to its end.
func (w *watcher) connection(ctx context.Context) error {
	w.drained = false
	granted, err := w.remote.exchange(ctx, w.key)
	if err != nil {
		return fmt.Errorf("get a token: %w", err)
	}
	s, err := w.remote.dial(ctx, granted.Token, w.query())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	g, within := errgroup.WithContext(ctx)
	g.Go(func() error { return w.show(s) })
	g.Go(func() error { return w.refresh(within, s, granted) })
	g.Go(func() error {
		<-within.Done()
		if ctx.Err() != nil {
			_ = s.leave() // a courtesy
		}
		return s.close()
	})
	return g.Wait()
}

func (w *watcher) query() url.Values {
	q := url.Values{}
	if len(w.symbols) > 0 {
		q.Set("symbols", strings.Join(w.symbols, ","))
	}
	if w.interval != nil {
		q.Set("interval", w.interval.String())
	}
	if w.seq > 0 {
		q.Set("since", strconv.FormatUint(w.seq, 10))
	}
	return q
}

// show puts every message on the screen.
func (w *watcher) show(s *stream) error {
	for {
		raw, err := s.receive()
		if err != nil {
			return err
		}
		m, err := readMessage(raw)
		if err != nil {
			return err
		}
		switch m.Type {
		case "welcome":
			w.welcomed, w.failures = true, 0
		case "ticker":
			w.seq = m.Seq
		case "drain":
			w.drained = true
		}
		if err := w.screen.show(&m, raw); err != nil {
			return fmt.Errorf("%w: %w", errScreen, err)
		}
	}
}

// refresh shows the server a newer token long before the present one ends. Where
// it cannot get one, the server ends the stream with its token.
func (w *watcher) refresh(ctx context.Context, s *stream, g grant) error {
	life := time.Duration(g.ExpiresIn) * time.Second
	wait := life / 4 * 3
	for life > 0 {
		select {
		case <-time.After(max(wait, time.Second/2)):
		case <-ctx.Done():
			return nil
		}
		wait = life / 16
		newer, err := w.remote.exchange(ctx, w.key)
		if err != nil {
			continue
		}
		request, err := json.Marshal(map[string]string{"type": "refresh", "token": newer.Token})
		if err != nil {
			return err
		}
		if err := s.send(request); err != nil {
			return err
		}
		life = time.Duration(newer.ExpiresIn) * time.Second
		wait = life / 4 * 3
	}
	return nil
}

// errScreen is an output that takes nothing more.
var errScreen = errors.New("write")
