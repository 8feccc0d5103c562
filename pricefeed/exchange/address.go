package exchange

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"tickerd/bus"
)

// Addresses are where an exchange is, as its table in the settings says.
type Addresses struct {
	// URL is the complete WebSocket address, so that something else can stand in
	// for the exchange.
	URL string `toml:"url"`
	// REST is the address before the REST paths, which give the candles of the past.
	REST string `toml:"rest"`
}

// Validate returns a *bus.KeyError for the first key that is wrong.
func (a Addresses) Validate() error {
	if err := checkAddress(a.URL, "wss", "ws"); err != nil {
		return &bus.KeyError{Key: "url", Err: err}
	}
	if err := checkAddress(a.REST, "https", "http"); err != nil {
		return &bus.KeyError{Key: "rest", Err: err}
	}
	return nil
}

// checkAddress says what is wrong with an address.
func checkAddress(address string, schemes ...string) error {
	u, err := url.ParseRequestURI(address)
	switch {
	case err != nil:
		return fmt.Errorf("not an address: %s://host[:port]/path", schemes[0])
	case !slices.Contains(schemes, u.Scheme):
		return fmt.Errorf("scheme %q is not %s or %s", u.Scheme, schemes[1], schemes[0])
	case u.Hostname() == "":
		return fmt.Errorf("without a host: %s://host[:port]/path", schemes[0])
	case u.User != nil:
		return errors.New("with a user name, which has no meaning here")
	}
	return nil
}
