package bus

import (
	"bytes"
	"net"
)

const (
	// reservoirRead is how much is taken from the server at once: what the reader
	// behind a reservoir can take at once, too.
	reservoirRead = 32 << 10

	// reservoirSpare is the longest backlog whose memory is kept for the next.
	reservoirSpare = 64 << 10
)

// A reservoir is a connection to the server that takes what the server sends at
// once, whether anyone reads it or not, and gives it out when its valve is open.
//
// So no part of ours is ever too slow for the server, which drops what it cannot
// get rid of, and cuts off who does not read for half a minute. What is on its way
// to a part is bounded by those who send: a gateway by what it lets a client have
// under way.
type reservoir struct {
	net.Conn

	valve *valve
	done  chan struct{} // closed when nothing more comes

	// Guarded by the valve.
	backlog bytes.Buffer
	err     error // why nothing more comes
}

func newReservoir(c net.Conn, v *valve) *reservoir {
	r := &reservoir{Conn: c, valve: v, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.fill()
	}()
	return r
}

// fill takes what comes until the connection ends.
func (r *reservoir) fill() {
	buf := make([]byte, reservoirRead)
	for {
		n, err := r.Conn.Read(buf)
		r.valve.mu.Lock()
		r.backlog.Write(buf[:n])
		r.err = err
		r.valve.mu.Unlock()
		r.valve.moved.Broadcast()
		if err != nil {
			return
		}
	}
}

// Read waits for something to give out, and for the valve to let it through.
func (r *reservoir) Read(p []byte) (int, error) {
	r.valve.mu.Lock()
	defer r.valve.mu.Unlock()
	for {
		flow := r.valve.flow()
		switch {
		case r.backlog.Len() > 0 && flow > 0:
			return r.give(p[:min(len(p), flow)])
		case r.backlog.Len() == 0 && r.err != nil:
			return 0, r.err
		}
		r.valve.moved.Wait()
	}
}

// give is a read of the backlog, whose memory it lets go of behind a storm.
func (r *reservoir) give(p []byte) (int, error) {
	n, err := r.backlog.Read(p)
	if r.backlog.Len() == 0 && r.backlog.Cap() > reservoirSpare {
		r.backlog = bytes.Buffer{}
	}
	return n, err
}

// Close ends the connection. What was not given out is lost.
func (r *reservoir) Close() error {
	err := r.Conn.Close()
	<-r.done
	r.valve.mu.Lock()
	r.backlog = bytes.Buffer{}
	r.valve.mu.Unlock()
	r.valve.moved.Broadcast()
	return err
}
