package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// readyCommand asks the node on this machine whether it can do its work.
type readyCommand struct {
	URL  *url.URL      `name:"url" placeholder:"URL" help:"The server's address; where server.listen says, on this machine, if left out."`
	Wait time.Duration `placeholder:"DURATION" help:"Ask again until it is ready, for so long at most."`
}

// Help is what --help says besides.
func (readyCommand) Help() string {
	return `It is silent and ends with status 0 when the server is ready, and else with 1 and the parts that are not. So it serves as the health check of a container, and between two steps of a rolling restart.`
}

// readyPause is between two questions.
const readyPause = 200 * time.Millisecond

func (c readyCommand) Run(ctx context.Context, p *program, file *configFile) error {
	server := remote{url: c.URL}
	if c.URL == nil {
		s, _, err := readSettings(string(*file), p.environ)
		if err != nil {
			return err
		}
		if server, err = s.local(); err != nil {
			return err
		}
	}
	end := time.Now().Add(c.Wait)
	for {
		err := server.ready(ctx)
		if err == nil || !time.Now().Before(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readyPause):
		}
	}
}

// local is the server that has the settings, as this machine reaches it.
func (s settings) local() (remote, error) {
	host, port, err := net.SplitHostPort(s.Server.Listen)
	if err != nil || port == "0" {
		return remote{}, fmt.Errorf("server.listen is %q, which names no port: give --url", s.Server.Listen)
	}
	switch host {
	case "", "0.0.0.0": // in a container nothing need know what localhost is
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	r := remote{url: &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}}
	if s.Server.TLSCert != "" {
		r.url.Scheme = "https"
		r.tls, err = onlyOf(s.Server.TLSCert)
	}
	return r, err
}

// onlyOf believes a server that has the certificate in file, whatever its name and
// whoever has signed it.
func onlyOf(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: holds no certificate", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	config.RootCAs.AddCert(cert)
	switch {
	case len(cert.DNSNames) > 0:
		config.ServerName = strings.Replace(cert.DNSNames[0], "*", "any", 1)
	case len(cert.IPAddresses) > 0:
		config.ServerName = cert.IPAddresses[0].String()
	}
	return config, nil
}

// ready is nil when the server says that it is, and else what it says.
func (r remote) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url.JoinPath("readyz").String(), http.NoBody)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: r.tls, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return r.unreached(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	var body struct {
		Error   string
		Failing map[string]string
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&body); err != nil || body.Error == "" {
		return fmt.Errorf("the server answers %s", printable(resp.Status))
	}
	lines := []error{errors.New(printable(body.Error))}
	for _, part := range slices.Sorted(maps.Keys(body.Failing)) {
		lines = append(lines, errors.New(printable(part+": "+body.Failing[part])))
	}
	return errors.Join(lines...)
}
