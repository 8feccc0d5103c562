package coinbase

import (
	"strings"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// protocol is an exchange.Protocol. Products are named as tickerd names symbols.
type protocol struct{}

func (protocol) Name(s ticker.Symbol) string { return string(s) }

func (protocol) Request(products []string, subscribe bool) []byte {
	request := `{"type":"unsubscribe","product_ids":["`
	if subscribe {
		request = `{"type":"subscribe","product_ids":["`
	}
	return []byte(request + strings.Join(products, `","`) + `"],"channels":["ticker","heartbeat"]}`)
}

func (protocol) Handle(c *exchange.Conn, msg []byte) error {
	f, err := Decode(msg)
	if err != nil {
		c.Bad(msg, err)
		return nil
	}
	switch f.Type {
	case TypeTicker:
		c.Price(f.Product, exchange.Trade{Price: f.Price, Sequence: f.Sequence, Time: f.Time})
	case TypeHeartbeat:
		c.Alive(f.Product)
	case TypeSubscriptions:
		c.Subscribed(f.Served)
	case TypeError:
		complain(c, f.Reason)
	}
	return nil
}

// complain takes an error, which concerns the products that it names. One that names
// none is only logged: if it was about everything, silence follows.
func complain(c *exchange.Conn, reason string) {
	c.Complaint(reason)
	for name := range strings.FieldsFuncSeq(reason, isNoProduct) {
		c.Refused(name, reason)
	}
}

// isNoProduct reports whether r is not part of a product's name.
func isNoProduct(r rune) bool {
	return (r < 'A' || 'Z' < r) && (r < '0' || '9' < r) && r != '-'
}
