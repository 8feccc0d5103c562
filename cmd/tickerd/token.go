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
func (f remoteFlags) key(p *program) (string, error) {
	if f.Key != "-" {
		return f.Key, nil
	}
	line, err := bufio.NewReader(p.stdin).ReadString('\n')
	key := strings.TrimSpace(line)
	switch {
	case key != "":
		return key, nil
	case err != nil && err != io.EOF:
		return "", fmt.Errorf("read the API key: %w", err)
	default:
		return "", errors.New("no API key on standard input")
	}
}

// tokenCommand exchanges an API key for a token.
type tokenCommand struct{ remoteFlags }

func (c tokenCommand) Run(ctx context.Context, p *program) error {
	key, err := c.key(p)
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
