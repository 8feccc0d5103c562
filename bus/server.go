package bus

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// startTimeout bounds the wait for the embedded server; it takes some 10 ms, and
// longer only when a large store is recovered.
const (
	startTimeout = time.Minute
	startPoll    = 50 * time.Millisecond
)

// connectTimeout bounds a connection's handshake, on either side. On a machine that is
// busy with thousands of clients it may take a while.
const connectTimeout = 30 * time.Second

// maxPending is how much may wait for one client of the server. From three
// quarters of it on, the server holds up who sends to that client; it is so much
// that a client is cut off first, for not having read for writeTimeout. On a machine that
// is busy with something else, one of our own parts may not for seconds.
const (
	maxPending   = 256 << 20
	writeTimeout = 30 * time.Second
)

// Server is this node's way to the bus: the embedded NATS server, or, where the settings
// say so, another NATS system. Start makes one, Close ends it.
type Server struct {
	cfg      Config
	nats     *server.Server // nil: another system
	log      *slog.Logger
	internal string // password of the parts in this process
	local    net.Listener
	done     chan struct{} // closed when acceptLocal has returned; nil without local
	tending  context.CancelFunc
	tended   chan struct{} // closed when tend has returned
}

// Start starts the server with its store in the directory store, and returns when it
// takes connections; in a cluster that is before the other nodes are there. Another NATS
// system is tried for half a minute.
func Start(ctx context.Context, cfg Config, store string, log *slog.Logger) (*Server, error) {
	s := &Server{cfg: cfg, log: log, internal: rand.Text()}
	if cfg.URL != "" {
		return s, s.reach(ctx)
	}
	opts, err := options(cfg, store)
	if err != nil {
		return nil, fmt.Errorf("start bus: %w", err)
	}
	opts.CustomClientAuthentication = newGate(s.internal, cfg.OperatorPassword, cfg.Listen == "")
	s.nats, err = server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("start bus: %w", err)
	}
	fatal := make(chan error, 1)
	s.nats.SetLoggerV2(natsLog{log, fatal}, log.Enabled(ctx, slog.LevelDebug), false, false)
	s.nats.Start()
	if err := s.ready(ctx, fatal); err != nil {
		s.Close()
		return nil, fmt.Errorf("start bus with its store in %s: %w", store, err)
	}
	if cfg.IsCluster() && cfg.Voter {
		if err := s.startTending(); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// ready waits until the server takes connections or has said why it does not.
func (s *Server) ready(ctx context.Context, fatal chan error) error {
	deadline := time.Now().Add(startTimeout)
	for {
		select {
		case err := <-fatal:
			return err
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if s.nats.ReadyForConnections(startPoll) {
			select {
			case err := <-fatal:
				return err
			case fatal <- nil: // what comes now is for the log
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %v", startTimeout)
		}
	}
}

// Node is this node's name.
func (s *Server) Node() string { return s.cfg.Node }

// Addr is where NATS clients connect, nil when nowhere.
func (s *Server) Addr() net.Addr {
	if s.nats == nil || s.cfg.Listen == "" {
		return nil
	}
	return s.nats.Addr()
}

// ClusterAddr is where other nodes connect, nil when nowhere.
func (s *Server) ClusterAddr() net.Addr {
	if s.nats == nil || !s.cfg.IsCluster() {
		return nil
	}
	return s.nats.ClusterAddr()
}

// Connect gives one of our own parts a connection: in process, without a socket, and
// allowed everything; or to the other NATS system. The name shows in NATS's own tools.
func (s *Server) Connect(name string) (*Conn, error) {
	var c *Conn
	var err error
	if s.nats == nil {
		c, err = Dial(s.cfg, s.cfg.Node+" "+name, s.log)
	} else {
		c, err = connect(s.log, name, s.nats.InProcessConn, nats.UserInfo(userInternal, s.internal))
	}
	if err != nil {
		return nil, err
	}
	c.node, c.replicas = s.cfg.Node, s.cfg.replicas()
	return c, nil
}

// Close ends the server and every connection to it.
func (s *Server) Close() {
	if s.nats == nil {
		return // the connections are others' to close
	}
	if s.tending != nil {
		s.tending()
		<-s.tended
	}
	if s.local != nil {
		if err := s.local.Close(); err != nil {
			s.log.Warn("close local bus socket", "err", err)
		}
	}
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	if s.local != nil {
		<-s.done
	}
}
