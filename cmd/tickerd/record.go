package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// recordCommand writes what a server sends into a file, to be replayed.
type recordCommand struct {
	remoteFlags
	Symbols  []string      `placeholder:"SYMBOL" help:"What to record: BTC-USD, or a pattern such as BTC-*; all that the key may see if left out."`
	Duration time.Duration `placeholder:"DURATION" help:"How long to record, from the first message on; until interrupted if left out."`
	Output   string        `default:"recording.jsonl.zst" placeholder:"FILE" help:"Where to record; ${default} if left out, - is standard output."`
	Force    bool          `help:"Overwrite the file if it is there."`
}

// Help is what --help says besides.
func (recordCommand) Help() string {
	return `A recording has a line for each message with prices, as it came, and is compressed with Zstandard: "zstdcat FILE" shows it. With pricefeed.source = "replay" and pricefeed.replay.file a server plays it back.

What the server sends after it could not be reached, or when this client was too slow, is a snapshot: it stands where messages are missing, and is counted as a gap.`
}

func (c recordCommand) Validate() error {
	if c.Duration < 0 {
		return fmt.Errorf("--duration must not be below zero, as %v is", c.Duration)
	}
	return c.remoteFlags.Validate()
}

func (c recordCommand) Run(ctx context.Context, p *program) error {
	key, err := c.key(ctx, p)
	if err != nil {
		return err
	}
	r := newRecorder(func() (io.WriteCloser, error) { return c.open(p) }, p.remark)
	w := watcher{remote: remote{url: c.URL}, key: key, symbols: c.Symbols, screen: r}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, within := errgroup.WithContext(ctx)
	g.Go(func() error { return w.run(within) })
	g.Go(func() error {
		defer cancel()
		return r.keep(within, c.Duration)
	})
	err = g.Wait()
	if closing := r.close(); err == nil {
		err = closing
	}
	return err
}

// open opens the output, which is not there yet unless the user forces it.
func (c recordCommand) open(p *program) (io.WriteCloser, error) {
	if c.Output == "-" {
		return keptOpen{p.stdout}, nil
	}
	how := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.Force {
		how = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(c.Output, how, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("%s is there already; --force overwrites it", c.Output)
	case err != nil:
		return nil, err
	}
	return file, nil
}

// keptOpen is an output that others may use afterwards.
type keptOpen struct{ io.Writer }

func (keptOpen) Close() error { return nil }
