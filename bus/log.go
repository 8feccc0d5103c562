package bus

import (
	"errors"
	"fmt"
	"log/slog"
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
func (l natsLog) Errorf(format string, v ...any)  { l.write(l.log.Error, format, v) }

func (l natsLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- errors.New(fmt.Sprintf(format, v...)):
	default:
		l.write(l.log.Error, format, v)
	}
}

func (l natsLog) write(level func(string, ...any), format string, v []any) {
	level("nats: " + fmt.Sprintf(format, v...))
}
