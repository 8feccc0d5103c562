package exchangetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
)

// readJSON waits for the client's next text message, reads it into v, and returns it as
// it came.
func (c *Conn) readJSON(v any) string {
	c.tb.Helper()
	text := c.Read()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		c.tb.Fatalf("the client's message is %q: %v", text, err)
	}
	return text
}

// sendJSON sends a message.
func (c *Conn) sendJSON(v any) { c.Send(textOf(v)) }

// textOf is a message as text. One that is none, because it was given a number that is
// none, says so, and no client will like it.
func textOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("exchangetest: %v", err)
	}
	return string(text)
}

// A sequence grows by three with each use.
type sequence struct{ atomic.Uint64 }

func (s *sequence) next() uint64 { return s.Add(3) }

// without is list but for what is dropped.
func without(list, dropped []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(dropped, s) })
}
