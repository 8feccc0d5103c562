//go:build !linux || portable

package loop

import (
	"net"
	"time"
)

// loops are none: every socket has two goroutines.
type loops struct{}

func newLoops() loops                            { return loops{} }
func (loops) end()                               {}
func (loops) signal()                            {}
func (loops) add(net.Conn, func(Link) Conn) bool { return false }
func (loops) each(func(now time.Time, c Conn))   {}
