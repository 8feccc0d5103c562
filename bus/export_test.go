package bus

import "github.com/nats-io/nats-server/v2/server"

// Pending is how many bytes wait in the server for the connection of that name.
func (s *Server) Pending(name string) (int, error) {
	z, err := s.nats.Connz(&server.ConnzOptions{})
	if err != nil {
		return 0, err
	}
	pending := 0
	for _, c := range z.Conns {
		if c.Name == name {
			pending += c.Pending
		}
	}
	return pending, nil
}

// NewSmallInbox is an inbox with room for so many messages.
func (c *Conn) NewSmallInbox(room int) *Inbox { return c.newInbox(room) }
