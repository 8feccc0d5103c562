//go:build !portable

package loop

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tickerd/gateway/bell"
)

const (
	// readSize is how much is read at once, into the loop's one buffer, and how much
	// of one connection before others have their turn.
	readSize = 64 << 10

	// share is how much of each kind, posts or sockets, is seen to in one turn: in
	// between, the streams have theirs.
	share = 512

	// yieldAfter is how many writes are made before other goroutines may run: the
	// next tick comes through some of them.
	yieldAfter = 64
)

// A loop drives the connections that it has been given, all of them in one
// goroutine.
type loop struct {
	wake    bell.Bell     // there may be something to do
	done    chan struct{} // closed at the end
	start   func() error  // begin, once
	running sync.WaitGroup
	epoll   int

	// Owned by run.
	now     time.Time
	links   []*link // by slot; nil: free
	free    []int32 // slots
	groups  groups
	timers  timers
	touched []*link // to be settled
	again   []*link // not read to the end
	taken   []post  // of posts, to be delivered
	events  []unix.EpollEvent
	buf     []byte
	writes  int // since the last yield

	grown atomic.Bool // a stream may have

	mu    sync.Mutex
	posts []post
	load  int // connections, and those to come
}

// A post is a function to be called, of a connection or of the loop.
type post struct {
	link *link
	f    func(now time.Time)
}

func newLoop() *loop {
	l := &loop{
		wake:   bell.New(),
		done:   make(chan struct{}),
		groups: groups{},
		timers: timers{began: time.Now()},
		events: make([]unix.EpollEvent, share),
		buf:    make([]byte, readSize),
	}
	l.start = sync.OnceValue(l.begin)
	return l
}

// begin is called once, with the loop's first connection: a gateway all of whose
// sockets are another driver's has no loops.
func (l *loop) begin() error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(epoll, true); err != nil { // or Go's poller does not take it
		return errors.Join(fmt.Errorf("epoll: %w", err), unix.Close(epoll))
	}
	l.epoll = epoll
	file := os.NewFile(uintptr(epoll), "epoll")
	l.running.Go(func() {
		defer file.Close() // which ends watch
		l.run()
	})
	l.running.Go(func() { l.watch(file) })
	return nil
}

// watch wakes the loop whenever one of the sockets is ready. That epoll's descriptor is
// watched by Go's own poller, so that no thread is kept waiting.
func (l *loop) watch(file *os.File) {
	raw, err := file.SyscallConn()
	if err != nil {
		return // closed
	}
	_ = raw.Read(func(uintptr) bool { // ends with the file
		l.wake.Ring()
		return false
	})
}

// run drives until done is closed.
func (l *loop) run() {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		if !l.turn() {
			alarm.Reset(l.timers.wait(time.Now()))
			select {
			case <-l.wake:
			case <-alarm.C:
			case <-l.done:
				l.end()
				return
			}
		}
	}
}

// turn does what there is to do now, and reports whether more is left.
func (l *loop) turn() (more bool) {
	l.now = time.Now()
	posts := l.deliver()
	l.readAgain()
	events := l.poll()
	timers := l.remind()
	l.settleAll()
	if l.grown.Swap(false) {
		l.pass()
		l.settleAll() // who was lost while it was written to
	}
	return posts || events || timers || len(l.again) > 0
}

// deliver calls what was posted, and reports whether more is left.
func (l *loop) deliver() (more bool) {
	if len(l.taken) == 0 {
		l.mu.Lock()
		l.taken, l.posts = l.posts, nil
		l.mu.Unlock()
	}
	now := l.taken[:min(len(l.taken), share)]
	l.taken = l.taken[len(now):]
	for _, p := range now {
		p.f(l.now)
		if p.link != nil {
			l.touch(p.link)
		}
	}
	clear(now)
	return len(l.taken) > 0
}

// poll takes in what epoll tells, and reports whether there may be more.
func (l *loop) poll() (more bool) {
	n, errno := epollWait(l.epoll, l.events)
	for _, e := range l.events[:n] {
		if k := l.links[e.Fd]; k != nil {
			l.ready(k, e.Events)
		}
	}
	return n == len(l.events) || errno == unix.EINTR
}

// remind has those tended whose time has come, and reports whether there may be more.
func (l *loop) remind() (more bool) {
	for range share {
		t := l.timers.due(l.now)
		if t == nil {
			return false
		}
		l.touch(t.link)
	}
	return true
}

const (
	readable = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	ended    = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET
)

// ready acts on what has become of a socket.
func (l *loop) ready(k *link, events uint32) {
	if events&unix.EPOLLOUT != 0 && k.full {
		k.full = false
		k.buffer.drained(k.fd, l.moment())
		l.touch(k)
	}
	if events&readable != 0 {
		k.more = true
		l.read(k, events&ended != 0)
		l.touch(k)
	}
}

// readAgain goes on reading where there was more than one turn's share.
func (l *loop) readAgain() {
	again := l.again
	l.again = nil
	for _, k := range again {
		k.again = false
		l.read(k, true)
		l.touch(k)
	}
}

// read gives the connection what its socket has, one turn's share of it, unless
// it wants nothing for now. There is no more where the socket gave less than it
// could, unless it has an end that is to be read, too.
func (l *loop) read(k *link, hasEnd bool) {
	if k.fd < 0 || k.lost || k.conn.Full() {
		return
	}
	n, errno := read(k.fd, l.buf)
	switch {
	case errno == unix.EAGAIN:
		k.more = false
	case errno == unix.EINTR:
	case errno != 0:
		k.lose(errno)
	case n == 0:
		k.lose(io.EOF)
	default:
		k.more = n == len(l.buf) || hasEnd
		k.conn.Receive(l.now, l.buf[:n])
	}
}

// touch has a connection settled in this turn.
func (l *loop) touch(k *link) {
	if !k.touched {
		k.touched = true
		l.touched = append(l.touched, k)
	}
}

func (l *loop) settleAll() {
	for i := 0; i < len(l.touched); i++ {
		k := l.touched[i]
		l.touched[i] = nil
		k.touched = false
		l.settle(k)
	}
	l.touched = l.touched[:0]
}

// settle brings a connection into order after something has happened to it.
func (l *loop) settle(k *link) {
	k.flush()
	next := k.conn.Tend(l.now)
	k.flush()
	l.timers.set(&k.timer, next)
	if k.fd < 0 {
		l.groups.leave(k)
		return
	}
	l.groups.join(k, k.conn.Stream())
	if k.more && !k.lost && !k.again && !k.conn.Full() {
		k.again = true
		l.again = append(l.again, k)
	}
}

// pass writes to each connection whose stream has grown. In each pass others are
// the first.
func (l *loop) pass() {
	for g := range l.groups.grown() {
		for k := range g.all() {
			if k.full {
				continue
			}
			k.flush()
			if k.full || k.lost || k.fd < 0 {
				l.touch(k)
			}
			l.yield()
		}
	}
}

// yield lets other goroutines run now and then.
func (l *loop) yield() {
	if l.writes < yieldAfter {
		return
	}
	l.writes = 0
	runtime.Gosched()
	l.now = time.Now()
}

func (l *loop) moment() moment { return momentAt(l.timers.since(l.now)) }

func (l *loop) post(p post) {
	l.mu.Lock()
	l.posts = append(l.posts, p)
	l.mu.Unlock()
	l.wake.Ring()
}

// busy is how many connections a loop has.
func (l *loop) busy() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.load
}

// add takes over a descriptor.
func (l *loop) add(fd int, open func(Link) Conn) {
	k := &link{loop: l, fd: fd}
	k.timer.link = k
	l.mu.Lock()
	l.load++
	l.mu.Unlock()
	l.post(post{k, func(now time.Time) { l.open(k, open) }})
}

// open begins to drive a connection.
func (l *loop) open(k *link, open func(Link) Conn) {
	if n := len(l.free); n > 0 {
		k.slot = l.free[n-1]
		l.free = l.free[:n-1]
		l.links[k.slot] = k
	} else {
		k.slot = int32(len(l.links))
		l.links = append(l.links, k)
	}
	k.buffer.begin(k.fd)
	k.conn = open(k)
	l.timers.set(&k.timer, k.conn.Tend(l.now))
	if k.fd < 0 {
		return
	}
	event := unix.EpollEvent{Events: interest, Fd: k.slot}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, k.fd, &event); err != nil {
		k.lose(fmt.Errorf("epoll: %w", err))
	}
}

// end closes the sockets that are left.
func (l *loop) end() {
	for l.deliver() { // sockets may wait there to be driven
	}
	for _, k := range l.links {
		if k != nil {
			k.Close()
		}
	}
}
