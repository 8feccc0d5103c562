package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// remoteFlags say which server to talk to, and as whom.
type remoteFlags struct {
	Key string   `required:"" placeholder:"KEY" help:"The API key; - reads it from standard input, unseen by ps and the shell's history."`
	URL *url.URL `name:"url" default:"http://localhost:8081" placeholder:"URL" help:"The server's address; ${default} if left out."`
}

func (f remoteFlags) Validate() error {
	if f.URL.Scheme != "http" && f.URL.Scheme != "https" || f.URL.Host == "" {
		return fmt.Errorf("--url must be such as http://localhost:8081 or https://prices.example.com, not %q", f.URL)
	}
	return nil
}

// key is the API key.
func (f remoteFlags) key(ctx context.Context, p *program) (string, error) {
	if f.Key != "-" {
		return f.Key, nil
	}
	type line struct {
		text string
		err  error
	}
	lines := make(chan line, 1)
	go func() { // nothing ends a read from a terminal but the end of the process
		text, err := bufio.NewReader(p.stdin).ReadString('\n')
		lines <- line{strings.TrimSpace(text), err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case l := <-lines:
		switch {
		case l.text != "":
			return l.text, nil
		case l.err != nil && !errors.Is(l.err, io.EOF):
			return "", fmt.Errorf("read the API key: %w", l.err)
		default:
			return "", errors.New("no API key on standard input")
		}
	}
}

// tokenCommand exchanges an API key for a token.
type tokenCommand struct{ remoteFlags }

func (c tokenCommand) Run(ctx context.Context, p *program) error {
	key, err := c.key(ctx, p)
	if err != nil {
		return err
	}
	g, err := remote{url: c.URL}.exchange(ctx, key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, g.Token)
	return err
}
