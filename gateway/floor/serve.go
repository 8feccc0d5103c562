package floor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	headTimeout = 10 * time.Second // for a request to come
	headSize    = 4 << 10          // of it, that is read at once
)

// A server sends to the sockets that were upgraded.
type server interface {
	// add takes over a socket, until run ends.
	add(sock *net.TCPConn)
	// run serves until ctx ends, and closes every socket.
	run(ctx context.Context)
}

// Serve serves the clients that ln accepts until ctx ends, which is no error. It
// closes ln, and returns when all that it started has ended.
func Serve(ctx context.Context, ln *net.TCPListener, m Mode) error {
	defer ln.Close()
	s, err := newServer(m)
	if err != nil {
		return err
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx)) // longer than anybody is greeted
	var running, greeting sync.WaitGroup
	running.Go(func() { s.run(serving) })
	defer running.Wait()
	defer end()
	defer greeting.Wait()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	for {
		sock, err := ln.AcceptTCP()
		switch {
		case ctx.Err() != nil && err != nil:
			return nil
		case err != nil:
			return err
		}
		greeting.Go(func() { greet(s, sock) })
	}
}

// greet answers the one request of a connection.
func greet(s server, sock *net.TCPConn) {
	if err := answer(s, sock); err != nil {
		_ = sock.Close()
	}
}

// errAnswered is a request after which nothing follows.
const errAnswered = Error("answered")

func answer(s server, sock *net.TCPConn) error {
	if err := sock.SetDeadline(time.Now().Add(headTimeout)); err != nil {
		return err
	}
	head := make([]byte, headSize)
	n, err := sock.Read(head)
	if err != nil {
		return err
	}
	request := io.MultiReader(bytes.NewReader(head[:n]), sock)
	if bytes.HasPrefix(head[:n], []byte(http.MethodPost)) {
		return errors.Join(answerToken(request, sock), errAnswered)
	}
	if _, err := upgrader.Upgrade(conversation{request, sock}); err != nil {
		return err
	}
	if err := sock.SetDeadline(time.Time{}); err != nil {
		return err
	}
	s.add(sock)
	return nil
}

// conversation reads what is in part already there, and writes to the socket.
type conversation struct {
	io.Reader
	io.Writer
}

// upgrader takes whoever knows the way.
var upgrader = ws.Upgrader{
	OnRequest: func(uri []byte) error {
		if path, _, _ := bytes.Cut(uri, []byte("?")); string(path) != "/ws/ticker" {
			return ws.RejectConnectionError(ws.RejectionStatus(http.StatusNotFound))
		}
		return nil
	},
}
