package loop

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A buffer follows what the line is seen to do when it makes room.
func TestSendBuffer(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		size            int32
		waited, between time.Duration // since it was full, and since it had room before
		trip, least     time.Duration
		want            int32
	}{
		"empties promptly":                     {size: 2 << 10, waited: 1 * ms, between: 2 * ms, trip: 1 * ms, least: 1 * ms, want: 4 << 10},
		"promptly for a long way":              {size: 2 << 10, waited: 290 * ms, between: 300 * ms, trip: 300 * ms, least: 300 * ms, want: 3413},
		"by chance, after it had nothing":      {size: 2 << 10, waited: 1 * ms, between: 180 * ms, trip: 24 * ms, least: 1 * ms, want: 2 << 10},
		"more is waiting than may":             {size: 16 << 10, waited: 100 * ms, between: 100 * ms, trip: 420 * ms, least: 10 * ms, want: 8 << 10},
		"that is not yet in the mean":          {size: 16 << 10, waited: 420 * ms, between: 420 * ms, trip: 20 * ms, least: 10 * ms, want: 8 << 10},
		"slower than any buffer suits":         {size: 2 << 10, waited: 900 * ms, between: 900 * ms, trip: 900 * ms, least: 10 * ms, want: leastBuffer},
		"fast enough for the kernel":           {size: mostBuffer / 2, waited: 1 * ms, between: 2 * ms, trip: 1 * ms, least: 1 * ms, want: 0},
		"the kernel's, and it does well":       {size: 0, waited: 10 * ms, between: 10 * ms, want: 0},
		"the kernel's, on a long way":          {size: 0, waited: 290 * ms, between: 300 * ms, trip: 300 * ms, least: 300 * ms, want: 0},
		"the kernel's, on a line now too slow": {size: 0, waited: 900 * ms, between: 900 * ms, trip: 420 * ms, least: 25 * ms, want: mostBuffer / 4},
	} {
		const now moment = 100 // soon after it began anew
		b := sendBuffer{size: c.size, full: now - moment(c.waited/ms), room: now - moment(c.between/ms)}
		if size := b.next(now, func() (trip, least time.Duration) { return c.trip, c.least }); size != c.want {
			t.Errorf("%s: %d, want %d", name, size, c.want)
		}
	}
}

// The system has the size that a buffer says, as far as it does: it doubles it.
func TestSendBufferOfASocket(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	size := func() int {
		n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var b sendBuffer
	b.begin(fd)
	if first := size(); first < 2*leastBuffer || first > 4*leastBuffer || b.size != leastBuffer {
		t.Errorf("begins with %d", first)
	}
	b.resize(fd, 32<<10)
	if size() != 64<<10 {
		t.Errorf("is %d, not %d", size(), 64<<10)
	}
	b.resize(fd, 0)
	if lock, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BUF_LOCK); err != nil || lock != 0 || b.size != 0 {
		t.Errorf("is not the system's choice again: %d, %v", lock, err)
	}
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	b.resize(fd, 4<<10)
	if b.size != 0 {
		t.Error("a size that the system has refused is taken to be its own")
	}
}

// A write that had to wait says how the line does; one that was not taken, that the
// buffer is still full.
func TestPace(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	sock, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	p := newPace(sock)
	if p == nil || p.buffer.size != leastBuffer {
		t.Fatalf("begins with %+v", p)
	}
	at := func(ms int) time.Time { return p.began.Add(time.Duration(ms) * time.Millisecond) }
	p.wrote(at(1), at(1), true) // at once
	if p.full || p.buffer.full != 0 || p.buffer.room != 0 {
		t.Errorf("%+v", p.buffer)
	}
	p.wrote(at(100), at(350), false)
	p.wrote(at(350), at(600), false)
	if !p.full || p.buffer.full != 100 || p.buffer.room != 0 {
		t.Errorf("while it is full: %+v", p.buffer)
	}
	p.wrote(at(600), at(600), true)
	if p.full || p.buffer.full != 100 || p.buffer.room != 600 {
		t.Errorf("when it has room again: %+v", p.buffer)
	}
	if newPace(nil) != nil {
		t.Error("what is no socket has a pace")
	}
}
