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
// that a client is cut off first, for not having read for ten seconds.
const maxPending = 256 << 20

// Server is the embedded NATS server. Start makes one, Close ends it.
type Server struct {
	nats     *server.Server
	log      *slog.Logger
	node     string
	internal string // password of the parts in this process
	local    net.Listener
	done     chan struct{} // closed when acceptLocal has returned; nil without local
}

// Start starts the server with its store in the directory store, and returns
// when it takes connections.
func Start(ctx context.Context, cfg Config, store string, log *slog.Logger) (*Server, error) {
	opts, err := options(cfg, store)
	if err != nil {
		return nil, fmt.Errorf("start bus: %w", err)
	}
	s := &Server{log: log, node: cfg.Node, internal: rand.Text()}
	opts.CustomClientAuthentication = newGate(s.internal, cfg.OperatorPassword)
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
	return s, nil
}

func options(cfg Config, store string) (*server.Options, error) {
	opts := &server.Options{
		ServerName:             cfg.Node,
		NoSigs:                 true,
		NoSystemAccount:        true,
		NoSublistCache:         true, // subscriptions come and go with connections: the cache costs a join more than the rest of it
		DontListen:             cfg.Listen == "",
		MaxPending:             maxPending,
		AuthTimeout:            connectTimeout.Seconds(),
		JetStream:              true,
		StoreDir:               store,
		SyncAlways:             true,
		DisableJetStreamBanner: true,
	}
	if cfg.Listen != "" {
		host, port, err := splitAddress(cfg.Listen)
		if err != nil {
			return nil, err
		}
		opts.Host, opts.Port = host, port
		if port == 0 {
			opts.Port = server.RANDOM_PORT
		}
	}
	return opts, nil
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
func (s *Server) Node() string { return s.node }

// Addr is where NATS clients connect, nil when nowhere.
func (s *Server) Addr() net.Addr { return s.nats.Addr() }

// Connect gives one of our own parts a connection in process: without a socket,
// and allowed everything. The name shows in NATS's own tools.
func (s *Server) Connect(name string) (*Conn, error) {
	return connect(s.log, name, s.nats.InProcessConn, nats.UserInfo(userInternal, s.internal))
}

// Voters is how many nodes keep the cluster's streams together: 1 alone, 0 where it is
// not known.
func (s *Server) Voters() int { return 1 }

// Yield gives the leadership of a stream to another node, where this one has it and
// there is another.
func (s *Server) Yield(stream string) {}

// Close ends the server and every connection to it.
func (s *Server) Close() {
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
