package bus

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// ServeLocal lets programs of this machine that may read path onto the bus,
// whatever Config.Listen says: the command line finds the running node there.
// They need the operator's password as everyone does. On another NATS system there is
// nothing to serve: they can connect to that themselves.
func (s *Server) ServeLocal(path string) error {
	if s.nats == nil {
		return nil
	}
	// What is there is left from a node that was killed: the caller holds the
	// lock of the directory.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("local bus socket: %w", err)
	}
	var l net.Listener
	err := withShortPath(path, func(short string) (err error) {
		l, err = net.Listen("unix", short)
		return err
	})
	if err != nil {
		return fmt.Errorf("local bus socket: %w", err)
	}
	if unix, ok := l.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // its name may be one of a descriptor that is another's by then
	}
	s.local, s.done = l, make(chan struct{})
	go func() {
		defer close(s.done)
		s.acceptLocal(l)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("remove local bus socket", "err", err)
		}
	}()
	return os.Chmod(path, 0o600)
}

// acceptPause is the wait after a connection could not be taken, for want of
// descriptors say.
const acceptPause = 100 * time.Millisecond

func (s *Server) acceptLocal(l net.Listener) {
	var bridges sync.WaitGroup
	defer bridges.Wait()
	for {
		client, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Warn("accept on the local bus socket", "err", err, "retry_in", acceptPause)
			time.Sleep(acceptPause)
			continue
		}
		inside, err := s.nats.InProcessConn()
		if err != nil {
			client.Close()
			return
		}
		bridges.Go(func() { bridge(client, inside) })
	}
}

// bridge copies both ways until either side ends.
func bridge(a, b net.Conn) {
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		ways.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // an end is an end, whatever its reason
			a.Close()
			b.Close()
		})
	}
	ways.Wait()
}

// DialLocal connects the operator to the node that serves path; NodeRuns tells
// whether there is one.
func DialLocal(path, password, name string, log *slog.Logger) (*Conn, error) {
	c, err := connect(log, name, dialLocal(path), nats.UserInfo(userOperator, password))
	if err != nil {
		return nil, err
	}
	c.node = c.nats.ConnectedServerName()
	return c, nil
}

// NodeRuns reports whether a node serves path.
func NodeRuns(path string) bool {
	c, err := dialLocal(path)()
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func dialLocal(path string) dialer {
	return func() (c net.Conn, err error) {
		err = withShortPath(path, func(short string) (err error) {
			c, err = net.Dial("unix", short)
			return err
		})
		return c, err
	}
}

// maxSocketPath is what every system takes as a socket's path (104 bytes on
// macOS, 108 on Linux, with the closing zero).
const maxSocketPath = 103

// withShortPath calls f with a name for path that is short enough for a socket:
// where it is not, by way of the directory's descriptor, as Linux allows.
func withShortPath(path string, f func(short string) error) error {
	if len(path) <= maxSocketPath {
		return f(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), filepath.Base(path)))
}
