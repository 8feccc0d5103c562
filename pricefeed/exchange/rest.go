package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

const (
	restTimeout = 15 * time.Second // for a request, from the address to the end of the body
	maxBody     = 4 << 20
	shownOfBody = 200 // bytes of a refusal's that are part of the error

	// defaultBan is how long an exchange is left alone that has had enough of us
	// and does not say for how long.
	defaultBan = time.Minute
)

// REST asks an exchange over HTTP, by way of the proxy that the environment names, and
// no oftener than it may. Any goroutine may use it.
type REST struct {
	base    string
	limiter *rate.Limiter
	client  *http.Client
	ban     ban
}

// NewREST makes a client of the REST interface at base, an http:// or https:// address,
// that leaves at least so long between two requests.
func NewREST(base string, every time.Duration) *REST {
	return &REST{
		base:    strings.TrimSuffix(base, "/"),
		limiter: rate.NewLimiter(rate.Every(every), 1),
		client:  &http.Client{Timeout: restTimeout},
	}
}

// Get returns the body that is found at path, which begins with a slash. An answer
// other than 200 is a *StatusError. After one that says to come less often, Get fails
// in the same way, without asking, until the time that it gives is over.
func (r *REST) Get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	address := r.base + path + "?" + query.Encode()
	body, err := r.get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", address, err)
	}
	return body, nil
}

func (r *REST) get(ctx context.Context, address string) ([]byte, error) {
	if err := r.limiter.Wait(ctx); err != nil {
		return nil, err
	}
	if refusal := r.ban.refusal(time.Now()); refusal != nil {
		return nil, refusal
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", userAgent)
	response, err := r.client.Do(request)
	if err != nil {
		return nil, cause(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w: %.*q", r.refused(response), shownOfBody, body)
	case err != nil:
		return nil, err
	case len(body) > maxBody:
		return nil, ErrTooBig
	}
	return body, nil
}

// cause is err without the address, which is told already.
func cause(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// refused makes an error of an answer, and keeps it where it holds for other requests.
func (r *REST) refused(response *http.Response) *StatusError {
	now := time.Now()
	e := &StatusError{Status: response.StatusCode, RetryAfter: parseRetryAfter(response.Header.Get("Retry-After"), now)}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusTeapot: // which is how Binance bans an address
		e.RetryAfter = cmp.Or(e.RetryAfter, defaultBan)
	}
	r.ban.impose(e.Status, e.RetryAfter, now)
	return e
}
