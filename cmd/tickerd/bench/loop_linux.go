package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

const (
	// readSize is the most that is read of a socket at once.
	readSize = 64 << 10
	// eventsAtOnce is how many sockets are served before the loop looks at anything
	// else.
	eventsAtOnce = 256
)

// A loop carries one shard: it owns the sockets of its clients and serves those that
// are ready, one after another, with one buffer for all. For a connection it keeps a
// client and a sock, about 100 bytes.
//
// It never blocks a thread: when nothing is ready, its goroutine is parked until the
// epoll instance, which Go's own poller watches, says that something is.
type loop struct {
	*shard
	epoll *os.File
	raw   syscall.RawConn
	fd    int // of epoll

	socks   []sock // as clients
	next    int    // the first client that has not connected yet
	ready   []int  // clients that may connect again
	under   queue  // clients whose handshake, or first snapshot, is waited for
	gone    queue  // clients that wait for the server to close
	resting queue  // clients that have failed and are to try again

	answers map[int][]byte // to handshakes, as far as they have come
	events  [eventsAtOnce]unix.EpollEvent
	buf     []byte // maxRest bytes for the rest of the last time, then what is read
	spare   []*[maxRest]byte
}

// carryNatively is an epoll loop.
func carryNatively(ctx context.Context, s *shard) error {
	l, err := newLoop(s)
	if err != nil {
		return err
	}
	defer l.close()
	defer context.AfterFunc(ctx, func() { _ = l.epoll.SetReadDeadline(time.Unix(1, 0)) })()
	for ctx.Err() == nil {
		if err := l.turn(ctx); err != nil {
			return err
		}
	}
	return l.leaveAll()
}

func newLoop(s *shard) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or Go's poller does not take it
		return nil, errors.Join(fmt.Errorf("epoll: %w", err), unix.Close(fd))
	}
	l := &loop{
		shard:   s,
		epoll:   os.NewFile(uintptr(fd), "epoll"),
		fd:      fd,
		socks:   make([]sock, len(s.clients)),
		answers: map[int][]byte{},
		buf:     make([]byte, maxRest+readSize),
	}
	for i := range l.socks {
		l.socks[i].fd = -1
	}
	l.raw, err = l.epoll.SyscallConn()
	return l, err
}

// close lets go of every socket that is left.
func (l *loop) close() {
	for i := range l.socks {
		l.drop(i)
	}
	_ = l.epoll.Close()
}

// turn begins what may begin, and serves what is ready.
func (l *loop) turn(ctx context.Context) error {
	l.mu.Lock()
	l.begin(time.Now())
	busy := l.busy()
	l.mu.Unlock()
	return l.serveReady(ctx, busy)
}

// serveReady serves what is ready, when something is. See wait for busy.
func (l *loop) serveReady(ctx context.Context, busy bool) error {
	n, err := l.wait(ctx, busy)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range n {
		l.serve(&l.events[k])
	}
	return nil
}

// busy reports whether there is something to do that no socket tells of.
func (l *loop) busy() bool {
	return l.next < len(l.clients) || len(l.ready)+l.under.len()+l.gone.len()+l.resting.len() > 0
}

// wait returns how many events there are, and none after a while if busy, or when ctx
// ends.
func (l *loop) wait(ctx context.Context, busy bool) (n int, err error) {
	if n, err = l.poll(); n > 0 || err != nil {
		return n, err
	}
	var limit time.Time
	if busy {
		limit = time.Now().Add(pace)
	}
	if err := l.epoll.SetReadDeadline(limit); err != nil {
		return 0, err
	}
	if ctx.Err() != nil { // whose end may have set the other deadline before
		return 0, nil
	}
	polled := l.raw.Read(func(uintptr) bool {
		n, err = l.poll()
		return n > 0 || err != nil
	})
	if polled != nil && !errors.Is(polled, os.ErrDeadlineExceeded) {
		return 0, polled
	}
	return n, err
}

// poll returns how many events there are now.
func (l *loop) poll() (int, error) {
	n, errno := epollNow(l.fd, l.events[:])
	if errno != 0 && errno != unix.EINTR {
		return 0, fmt.Errorf("epoll: %w", errno)
	}
	return n, nil
}

// begin lets connections begin, and those end that have waited for too long.
func (l *loop) begin(now time.Time) {
	for i := range l.under.due(now.Add(-handshakeTimeout), l.stands) {
		l.tooLate(i)
	}
	for i := range l.gone.due(now.Add(-closeTimeout), l.stands) {
		l.drop(i)
		l.again(i)
	}
	for i := range l.resting.due(now.Add(-retryAfter), l.stands) {
		l.ready = append(l.ready, i)
	}
	for (len(l.ready) > 0 || l.next < len(l.clients)) && l.may(now) {
		i := l.next
		if len(l.ready) > 0 {
			i, l.ready = l.ready[0], l.ready[1:]
		} else {
			l.next++
		}
		l.connect(i)
	}
}

// stands reports whether a socket is still in the state that it was queued for.
func (l *loop) stands(q queued) bool {
	s := &l.socks[q.i]
	return s.turn == q.turn
}

// again lets a client that churns connect anew.
func (l *loop) again(i int) {
	if l.config.Churn && !l.clients[i].slow {
		l.ready = append(l.ready, i)
	}
}

// rest lets a client that churns connect anew after a while.
func (l *loop) rest(i int) {
	if l.config.Churn && !l.clients[i].slow {
		l.resting.push(i, l.socks[i].turn, time.Now())
	}
}

// connect begins a client's connection.
func (l *loop) connect(i int) {
	now := time.Now()
	l.beginning(&l.clients[i], now.UnixMicro())
	s := &l.socks[i]
	fd, err := dialSocket(l.target.source(l.serial(i)), l.target.addr)
	if err != nil {
		l.fail(i, failureOf(err))
		return
	}
	s.fd, s.state = int32(fd), connecting
	l.under.push(i, s.turn, now)
	if err := l.watch(unix.EPOLL_CTL_ADD, i, unix.EPOLLOUT); err != nil {
		l.fail(i, failureOf(err))
	}
}

// watch says which events of a socket are to be served.
func (l *loop) watch(op, i int, events uint32) error {
	s := &l.socks[i]
	e := unix.EpollEvent{Events: events, Fd: int32(i), Pad: int32(s.turn)}
	return unix.EpollCtl(l.fd, op, int(s.fd), &e)
}

// serve does what an event calls for. One that is of a former socket is of no
// interest.
func (l *loop) serve(e *unix.EpollEvent) {
	i := int(e.Fd)
	s := &l.socks[i]
	if int32(s.turn) != e.Pad {
		return
	}
	switch s.state {
	case connecting:
		l.ask(i)
	case asking:
		l.hear(i)
	case reading:
		l.read(i)
	case holding:
		l.ending(&l.clients[i], int(ws.StatusAbnormalClosure))
		l.drop(i)
	case leaving:
		l.discard(i)
	}
}

// ask sends the handshake's request.
func (l *loop) ask(i int) {
	s := &l.socks[i]
	errno, err := unix.GetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = syscall.Errno(errno)
	}
	if err == nil {
		l.reply = l.target.appendRequest(l.reply[:0], l.serial(i))
		err = l.write(i, l.reply)
	}
	if err == nil {
		s.state = asking
		err = l.watch(unix.EPOLL_CTL_MOD, i, unix.EPOLLIN)
	}
	if err != nil {
		l.fail(i, failureOf(err))
	}
}

// hear reads the handshake's answer, and what comes with it.
func (l *loop) hear(i int) {
	n, errno := read(l.socks[i].fd, l.buf[maxRest:])
	if errno == unix.EAGAIN {
		return
	}
	if errno != 0 {
		l.fail(i, failureOf(errno))
		return
	}
	b := l.buf[maxRest : maxRest+n]
	if begun := l.answers[i]; begun != nil {
		b = append(begun, b...)
		delete(l.answers, i)
	}
	a, complete, err := parseAnswer(b, l.target.key(l.serial(i)), n == 0)
	switch {
	case err != nil:
		l.fail(i, failureOf(err))
	case !complete:
		l.answers[i] = append([]byte(nil), b...)
	default:
		l.accept(i, a, b[a.size:])
	}
}

// accept makes a connection of an answer. The early bytes came with it.
func (l *loop) accept(i int, a answer, early []byte) {
	now := time.Now().UnixMicro()
	l.opening(&l.clients[i], a.deflate, now)
	if l.clients[i].slow {
		l.socks[i].state = holding
		if err := l.watch(unix.EPOLL_CTL_MOD, i, unix.EPOLLRDHUP); err != nil {
			l.lose(i)
		}
		return
	}
	l.socks[i].state = reading
	l.take(i, early, len(early), now)
}

// read reads what has come on a connection.
func (l *loop) read(i int) {
	s := &l.socks[i]
	n, errno := read(s.fd, l.buf[maxRest:])
	switch {
	case errno == unix.EAGAIN:
	case n == 0:
		l.lose(i)
	default:
		from := maxRest - int(s.rest)
		if s.rest > 0 {
			copy(l.buf[from:], s.kept[:s.rest])
		}
		l.take(i, l.buf[from:maxRest+n], n, time.Now().UnixMicro())
	}
}

// take hands over what has come, and does what that calls for.
func (l *loop) take(i int, b []byte, fresh int, now int64) {
	o := l.receive(&l.clients[i], b, fresh, now)
	if len(o.reply) > 0 && l.write(i, o.reply) != nil && o.end == 0 {
		o.end = int(ws.StatusAbnormalClosure)
	}
	switch {
	case o.end != 0:
		l.ending(&l.clients[i], o.end)
		l.drop(i)
		l.rest(i)
	case o.done:
		l.leave(i)
	default:
		l.keep(i, b[o.taken:])
	}
}

// keep puts by what is left until more comes.
func (l *loop) keep(i int, rest []byte) {
	s := &l.socks[i]
	s.rest = uint8(len(rest))
	switch {
	case len(rest) == 0 && s.kept != nil:
		l.spare = append(l.spare, s.kept)
		s.kept = nil
	case len(rest) > 0:
		if s.kept == nil {
			s.kept = l.room()
		}
		copy(s.kept[:], rest)
	}
}

func (l *loop) room() *[maxRest]byte {
	last := len(l.spare) - 1
	if last < 0 {
		return new([maxRest]byte)
	}
	room := l.spare[last]
	l.spare = l.spare[:last]
	return room
}

// lose is for a connection that has ended without a close frame.
func (l *loop) lose(i int) {
	l.ending(&l.clients[i], int(ws.StatusAbnormalClosure))
	l.drop(i)
	l.rest(i)
}

// fail is for a handshake that has not succeeded.
func (l *loop) fail(i int, why Failure) {
	l.failing(why)
	l.drop(i)
	l.rest(i)
}

// tooLate is for a client that has waited for too long.
func (l *loop) tooLate(i int) {
	switch c := &l.clients[i]; {
	case l.socks[i].state == connecting || l.socks[i].state == asking:
		l.fail(i, noAnswer)
	case l.config.Churn && l.socks[i].state == reading && !c.greeted:
		l.giveUp(c)
		l.drop(i)
		l.rest(i)
	}
}

// leave says goodbye, and lets the server close.
func (l *loop) leave(i int) {
	l.leaving(&l.clients[i])
	l.keep(i, nil)
	s := &l.socks[i]
	if l.write(i, goodbye()) != nil {
		l.drop(i)
		l.again(i)
		return
	}
	s.state = leaving
	l.gone.push(i, s.turn, time.Now())
}

// discard reads on until the server closes.
func (l *loop) discard(i int) {
	if n, errno := read(l.socks[i].fd, l.buf); n == 0 && errno != unix.EAGAIN {
		l.drop(i)
		l.again(i)
	}
}

// drop lets go of a socket, if there is one.
func (l *loop) drop(i int) {
	s := &l.socks[i]
	if s.fd < 0 {
		return
	}
	l.keep(i, nil)
	delete(l.answers, i)
	_ = unix.Close(int(s.fd)) // which takes it from epoll, too
	*s = sock{fd: -1, turn: s.turn + 1}
}

// leaveAll says goodbye on every connection, and waits for the server to close them,
// but not for long.
func (l *loop) leaveAll() error {
	l.mu.Lock()
	l.config.Churn = false // nobody comes again
	l.next, l.ready, l.resting = len(l.clients), nil, queue{}
	for i := range l.socks {
		if l.socks[i].state == reading {
			l.leave(i)
		} else if l.socks[i].state != leaving {
			l.drop(i)
		}
	}
	l.mu.Unlock()
	for l.waiting() {
		if err := l.serveReady(context.Background(), true); err != nil {
			return err
		}
	}
	return nil
}

// waiting reports whether a server that has been told goodbye may still close.
func (l *loop) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin(time.Now())
	return l.gone.len() > 0
}

// write sends a small frame, all of it or it fails: a socket that has not sent
// anything for long has room for it.
func (l *loop) write(i int, b []byte) error {
	n, errno := write(l.socks[i].fd, b)
	switch {
	case errno != 0:
		return errno
	case n < len(b):
		return unix.EAGAIN
	}
	return nil
}
