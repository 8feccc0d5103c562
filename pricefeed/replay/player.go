package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"tickerd/ticker"
)

// A Player plays a recording. [Player.Run] reads ahead, so that neither a disk nor
// decompression delays a [Player.Step].
type Player struct {
	cfg    Config
	wanted map[ticker.Symbol]bool
	maxLag time.Duration
	ahead  chan []moment // from Run to Step

	// Owned by Step.
	next  []moment                // to be played
	start time.Time               // of the replay; zero: not yet
	last  time.Time               // of the last step
	over  bool                    // nothing more is played
	told  map[ticker.Symbol]int64 // the last timestamp of each symbol
}

// beginning is how many lines are searched for the symbols of a recording, a good
// minute of the simulator. Those of "tickerd record" are in the first.
const beginning = 10_000

// NewPlayer opens the recording of cfg, which is valid, to play those symbols at one
// step an interval. It fails when the recording cannot be read, or has no price of one
// of them. It starts nothing.
func NewPlayer(cfg Config, symbols []ticker.Symbol, interval time.Duration) (*Player, error) {
	r, err := openRecording(cfg.File)
	if err != nil {
		return nil, err
	}
	defer r.close()
	recorded, err := r.search(beginning)
	if err != nil {
		return nil, err
	}
	p := &Player{
		cfg:    cfg,
		wanted: make(map[ticker.Symbol]bool, len(symbols)),
		maxLag: maxLag(cfg.Speed, interval),
		ahead:  make(chan []moment, maxBundles),
		told:   make(map[ticker.Symbol]int64, len(symbols)),
	}
	var missing []ticker.Symbol
	for _, s := range symbols {
		p.wanted[s] = true
		if !slices.Contains(recorded, s) {
			missing = append(missing, s)
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("%s: no price of %s, but of %s", r.name, list(missing), list(recorded))
	}
	return p, nil
}

// list names some of the symbols.
func list(symbols []ticker.Symbol) string {
	const shown = 10
	var b strings.Builder
	for i, s := range symbols[:min(len(symbols), shown)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(s))
	}
	if more := len(symbols) - shown; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

const (
	// bundlePrices, or lines, are read ahead as one, and maxBundles of these: of the
	// simulator's three symbols a tenth of a second at speed 1000, at speed 1 two minutes.
	bundlePrices = 1024
	maxBundles   = 32
)

// Run reads ahead until ctx ends. An error is what is wrong with the recording: what
// was before is still played. It is called once.
func (p *Player) Run(ctx context.Context) error {
	err := p.readAhead(ctx)
	close(p.ahead)
	if err == nil {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// readAhead reads all rounds. Its error may be that of ctx.
func (p *Player) readAhead(ctx context.Context) error {
	var line timeline
	for {
		if err := p.readRound(ctx, &line); err != nil || !p.cfg.Loop {
			return err
		}
		line.rewind()
	}
}

// readRound reads the recording once.
func (p *Player) readRound(ctx context.Context, line *timeline) error {
	r, err := openRecording(p.cfg.File)
	if err != nil {
		return err
	}
	defer r.close()
	found := false
	for err == nil {
		var bundle []moment
		bundle, err = p.readBundle(r, line)
		found = found || len(bundle) > 0
		select {
		case p.ahead <- bundle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case !found: // not the file that it was
		return fmt.Errorf("%s: %w", r.name, ErrNoPrice)
	}
	return nil
}

// readBundle reads the moments of so many lines, or until there are so many prices.
// With an error, too, there may be some.
func (p *Player) readBundle(r *reader, line *timeline) (bundle []moment, err error) {
	t := ticker.Tick{Data: make([]ticker.Price, 0, bundlePrices)}
	for n := 0; n < bundlePrices && len(t.Data) < bundlePrices; n++ {
		before := len(t.Data)
		if err := r.next(&t); err != nil {
			return bundle, err
		}
		line.move(t.TS)
		prices := slices.DeleteFunc(t.Data[before:], func(q ticker.Price) bool { return !p.wanted[q.Symbol] })
		t.Data = t.Data[:before+len(prices)]
		if len(prices) > 0 {
			bundle = append(bundle, moment{line.at, t.TS, prices})
		}
	}
	return bundle, nil
}
