package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gobwas/ws"
)

// callTimeout bounds one request to a server, and one handshake.
const callTimeout = 15 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// A remote is a running tickerd, as its clients see it.
type remote struct {
	url *url.URL    // http://localhost:8081, or https
	tls *tls.Config // nil: the system's certificates
}

// A grant is what an API key is exchanged for.
type grant struct {
	Token     string `json:"token"`
	ExpiresIn int64  `json:"expires_in"` // seconds
}

// A refusal is the answer of a server that does not do what it was asked for.
type refusal struct {
	status     int
	message    string // in the server's words
	retryAfter time.Duration
}

func (r *refusal) Error() string { return r.message }

// lasting reports whether asking again is of no use.
func (r *refusal) lasting() bool {
	return r.status < 500 && r.status != http.StatusTooManyRequests
}

// exchange gives the token for an API key.
func (r remote) exchange(ctx context.Context, key string) (grant, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"api_key": key})
	if err != nil {
		return grant{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url.JoinPath("auth/token").String(), bytes.NewReader(body))
	if err != nil {
		return grant{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: r.tls, DisableKeepAlives: true},
		// The key is for this server alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return grant{}, r.unreached(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return grant{}, readRefusal(resp)
	}
	var g grant
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&g); err != nil || g.Token == "" {
		return grant{}, fmt.Errorf("%s is not tickerd's: its answer holds no token", req.URL)
	}
	return g, nil
}

// dial opens the stream of prices. The query has the options of /ws/ticker.
func (r remote) dial(ctx context.Context, token string, query url.Values) (*stream, error) {
	u := r.url.JoinPath("ws/ticker")
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	u.RawQuery = query.Encode()
	var refused *refusal
	dialer := ws.Dialer{
		Timeout:   callTimeout,
		TLSConfig: r.tls,
		Header:    ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + token}},
		OnStatusError: func(_ int, _ []byte, answer io.Reader) {
			resp, err := http.ReadResponse(bufio.NewReader(answer), nil)
			if err == nil {
				refused = readRefusal(resp)
				resp.Body.Close()
			}
		},
	}
	conn, early, _, err := dialer.Dial(ctx, u.String())
	if refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, r.unreached(err)
	}
	if early == nil {
		early = bufio.NewReader(conn)
	}
	return newStream(conn, early), nil
}

// readRefusal takes the server's words from its answer.
func readRefusal(resp *http.Response) *refusal {
	r := &refusal{status: resp.StatusCode}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		r.retryAfter = time.Duration(seconds) * time.Second
	}
	var body struct{ Error string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&body); err == nil && body.Error != "" {
		r.message = printable(body.Error)
	} else {
		r.message = "the server answers " + printable(resp.Status)
	}
	return r
}

// unreached is the failure of a call, in few words.
func (r remote) unreached(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s does not answer", r.url)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err // it names method and address, which need no repeating
	}
	return err
}
