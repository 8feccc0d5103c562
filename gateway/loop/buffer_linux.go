package loop

import (
	"time"

	"golang.org/x/sys/unix"
)

// What lies in the kernel is old by the time that it arrives, and on a slow line
// the kernel would hold seconds of it. So a socket's send buffer, which is all that
// was written and that the client has not acknowledged, begins small and follows
// the line: it grows while it empties promptly, and shrinks when more than
// maxQueued is waiting on the way. It costs a system call when a connection begins,
// and a few while a fast socket outgrows it.
const (
	maxQueued = 200 * time.Millisecond
	promptly  = 50 * time.Millisecond

	// The kernel doubles these, and counts what it needs itself.
	leastBuffer = 2 << 10   // and the first
	mostBuffer  = 128 << 10 // from here on the kernel finds the size itself
)

// A sendBuffer is what is known of a socket's.
type sendBuffer struct {
	size int32  // 0: the kernel's choice
	full moment // when it was last filled,
	room moment // and when it last had room again
}

// A moment is a time in milliseconds; it begins anew every 49 days, so that only
// what is between two of them is known.
type moment uint32

func momentAt(d time.Duration) moment { return moment(d / time.Millisecond) }

func (m moment) since(before moment) time.Duration {
	return time.Duration(m-before) * time.Millisecond
}

// begin gives a socket its first size.
func (b *sendBuffer) begin(fd int) { b.resize(fd, leastBuffer) }

// filled notes that the socket takes nothing more for now.
func (b *sendBuffer) filled(now moment) { b.full = now }

// drained notes that it has room again.
func (b *sendBuffer) drained(fd int, now moment) {
	b.resize(fd, b.next(now, func() (trip, least time.Duration) { return trips(fd) }))
	b.room = now
}

// next is the size that suits the line, when it has room again at now. Trip is how
// long a byte and its acknowledgement take at present, and least how long they do
// when nothing is queued; they are asked for where they matter.
func (b *sendBuffer) next(now moment, ask func() (trip, least time.Duration)) (size int32) {
	waited, between := now.since(b.full), now.since(b.room)
	size = b.size
	if size == 0 {
		if waited <= promptly {
			return 0
		}
		size = mostBuffer
	}
	trip, least := ask()
	fit := int32(min(time.Duration(size)*(least+maxQueued)/max(trip, waited, time.Nanosecond), 2*mostBuffer))
	switch {
	case fit < size:
		return max(fit, leastBuffer)
	case between > least+promptly: // it is not told from a slow line that had nothing to do
		return b.size
	}
	if size = min(fit, 2*size); size >= mostBuffer {
		return 0
	}
	return size
}

// resize sets the buffer's size. What the kernel refuses stays as it is.
func (b *sendBuffer) resize(fd int, size int32) {
	if size == b.size {
		return
	}
	option, value := unix.SO_SNDBUF, int(size)
	if size == 0 {
		option, value = unix.SO_BUF_LOCK, 0 // since Linux 5.14; before, the largest size stays
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, value) == nil {
		b.size = size
	}
}

// trips are the kernel's round-trip times: the present one, and the least.
func trips(fd int) (trip, least time.Duration) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, 0
	}
	return time.Duration(info.Rtt) * time.Microsecond, time.Duration(info.Min_rtt) * time.Microsecond
}
