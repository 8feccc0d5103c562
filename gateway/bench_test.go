//go:build linux

package gateway_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"tickerd/gateway"
)

// browserHead is the upgrade of a browser with a token.
func browserHead(token string) string {
	return upgrade("").and(
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Accept: */*",
		"Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate, br, zstd", "Origin: https://ticker.example",
		"Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: tickerd.v1, bearer."+token,
		"Pragma: no-cache", "Cache-Control: no-cache").String()
}

func BenchmarkParseHead(b *testing.B) {
	head := []byte(browserHead(strings.Repeat("x", 300)))
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		if err := gateway.CheckHead(head); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpgrade is connections that are opened, welcomed, and reset; bare, on
// a server that only upgrades and sends as much.
func BenchmarkUpgrade(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		welcome := ws.MustCompileFrame(ws.NewTextFrame(make([]byte, 150)))
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				serving.Go(func() {
					defer conn.Close()
					if _, err := ws.Upgrade(conn); err != nil {
						return
					}
					if _, err := conn.Write(welcome); err == nil {
						_, _ = io.Copy(io.Discard, conn)
					}
				})
			}
		})
		upgrades(b, l.Addr().String(), upgrade("x").String())
		l.Close()
		serving.Wait()
	})
	b.Run("gateway", func(b *testing.B) {
		w := newWorld(b)
		upgrades(b, w.gateway.Addr().String(), upgrade(w.demo()).String())
	})
}

// upgrades opens connections, some at a time, and waits for each one's welcome.
func upgrades(b *testing.B, addr, request string) {
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 4096)
		for pb.Next() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.WriteString(conn, request); err != nil {
				b.Error(err)
			}
			for got := 0; !strings.Contains(string(buf[:got]), "\r\n\r\n\x81"); {
				n, err := conn.Read(buf[got:])
				if err != nil {
					b.Error(err)
					return
				}
				got += n
			}
			if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // no port is left waiting
				b.Error(err)
			}
			conn.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "upgrades/s")
	b.ReportMetric(0, "ns/op")
}

// A crowd is connections of which only is known how many bytes they have read.
type crowd struct {
	read atomic.Int64
	goal atomic.Int64
	done chan struct{}
}

// join reads from a connection until its end.
func (c *crowd) join(r io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if total := c.read.Add(int64(n)); n > 0 && total == c.goal.Load() {
			c.done <- struct{}{}
		}
		if err != nil {
			return
		}
	}
}

// expect gives what waits until so many bytes more have been read.
func (c *crowd) expect(n int) (wait func()) {
	c.goal.Store(c.read.Load() + int64(n))
	return func() { <-c.done }
}

// BenchmarkFanOut is one tick on its way to a thousand connections. The floor is
// one loop that writes the same frame to as many sockets, which are read alike.
func BenchmarkFanOut(b *testing.B) {
	b.Run("websocket", func(b *testing.B) {
		fanOut(b, func(w *world) *wire { return w.begin(upgrade(w.demo())).wire }, func(msg string) []byte {
			return ws.MustCompileFrame(ws.NewTextFrame([]byte(msg)))
		})
	})
	b.Run("events", func(b *testing.B) {
		seq := 0
		fanOut(b, func(w *world) *wire { return w.attend(sse(w.demo())).wire }, func(msg string) []byte {
			seq++
			return fmt.Appendf(nil, "id: %d\nevent: ticker\ndata: %s\n\n", seq, msg)
		})
	})
}

// fanOut measures connections that open gives; frame is a tick as they are sent it.
func fanOut(b *testing.B, open func(*world) *wire, frame func(msg string) []byte) {
	const n = 1000
	w := newWorld(b)
	ours, floor := &crowd{done: make(chan struct{})}, &crowd{done: make(chan struct{})}
	for range n {
		c := open(w)
		if err := c.SetDeadline(time.Time{}); err != nil {
			b.Fatal(err)
		}
		go ours.join(c.r)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var sockets []net.Conn
	for range n {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		socket, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		defer socket.Close()
		sockets = append(sockets, socket)
		go floor.join(client)
	}
	prices := []string{"BTC-USD=42000.12", "ETH-USD=2500.34", "SOL-USD=95.56"}
	var gatewayTime, floorTime time.Duration
	b.ResetTimer()
	for b.Loop() {
		msg := tickOf(w.seq+1, prices...)
		frame := frame(msg)

		began := time.Now()
		wait := ours.expect(n * len(frame))
		w.seq++
		w.publishTick(msg, 1)
		wait()
		gatewayTime += time.Since(began)

		began = time.Now()
		wait = floor.expect(n * len(frame))
		for _, s := range sockets {
			if _, err := s.Write(frame); err != nil {
				b.Fatal(err)
			}
		}
		wait()
		floorTime += time.Since(began)
	}
	b.ReportMetric(float64(gatewayTime.Microseconds())/float64(b.N), "µs/tick")
	b.ReportMetric(float64(floorTime.Microseconds())/float64(b.N), "µs/floor")
	b.ReportMetric(gatewayTime.Seconds()/floorTime.Seconds(), "x/floor")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkMemory is what one idle connection takes of our memory, its handler
// and its place on the bus included. The client is a bare descriptor.
func BenchmarkMemory(b *testing.B) {
	b.Run("websocket", func(b *testing.B) { idle(b, upgrade) })
	b.Run("events", func(b *testing.B) { idle(b, sse) })
}

// idle measures connections that are asked for like this.
func idle(b *testing.B, ask func(token string) request) {
	const n = 2000
	w := newWorld(b)
	request := []byte(ask(w.demo()).String())
	addr := w.gateway.Addr().(*net.TCPAddr)
	for b.Loop() {
		var fds []int
		before := memory()
		for range n {
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
			if err != nil {
				b.Fatal(err)
			}
			fds = append(fds, fd)
			if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}); err != nil {
				b.Fatal(err)
			}
			if _, err := syscall.Write(fd, request); err != nil {
				b.Fatal(err)
			}
			for buf, got := make([]byte, 4096), 0; !strings.Contains(string(buf[:got]), `"snapshot"`); {
				m, err := syscall.Read(fd, buf[got:])
				if err != nil || m == 0 {
					b.Fatal(fmt.Errorf("read %d: %w", m, err))
				}
				got += m
			}
		}
		after := memory()
		b.ReportMetric(float64(int64(after.HeapInuse-before.HeapInuse))/n, "heap-B/conn")
		b.ReportMetric(float64(int64(after.StackInuse-before.StackInuse))/n, "stack-B/conn")
		for _, fd := range fds {
			syscall.Close(fd)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// memory is the state of it when nothing is left to be freed.
func memory() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
