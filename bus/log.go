package bus

import (
	"fmt"
	"log/slog"
	"strings"
)

// natsLog puts NATS's log on ours. What NATS calls a notice is detail to us.
type natsLog struct {
	log   *slog.Logger
	fatal chan<- error // takes the first reason for which the server cannot run
}

func (l natsLog) Noticef(format string, v ...any) { l.write(l.log.Debug, format, v) }
func (l natsLog) Debugf(format string, v ...any)  { l.write(l.log.Debug, format, v) }
func (l natsLog) Tracef(format string, v ...any)  { l.write(l.log.Debug, format, v) }
func (l natsLog) Warnf(format string, v ...any)   { l.write(l.log.Warn, format, v) }

// Errorf tells what went wrong, as a detail where it is a client's doing: anyone
// may connect, and none of them is to fill our log. That another node is not there is
// no error of this one.
func (l natsLog) Errorf(format string, v ...any) {
	switch text := fmt.Sprintf(format, v...); {
	case strings.Contains(text, clientMark):
		l.write(l.log.Debug, format, v)
	case strings.HasPrefix(text, routeMark):
		l.write(l.log.Warn, format, v)
	default:
		l.write(l.log.Error, format, v)
	}
}

// routeMark begins what NATS says of a node that it tries in vain to connect to.
const routeMark = "Error trying to connect to route"

// clientMark is in what NATS says of a client's connection: "127.0.0.1:1234 - cid:5 - …".
const clientMark = " - cid:"

func (l natsLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Errorf(format, v...):
		l.write(l.log.Debug, format, v) // Start tells it, if it still waits
	default:
		l.write(l.log.Error, format, v)
	}
}

func (l natsLog) write(level func(string, ...any), format string, v []any) {
	level("nats: " + fmt.Sprintf(format, v...))
}
