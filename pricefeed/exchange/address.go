package exchange

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// CheckWebSocket says what is wrong with the address of an exchange's WebSocket feed.
func CheckWebSocket(address string) error { return checkAddress(address, "wss", "ws") }

// CheckREST says what is wrong with the address before an exchange's REST paths.
func CheckREST(address string) error { return checkAddress(address, "https", "http") }

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
