package handler_test

import (
	"context"
	"strconv"
	"testing"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

// The benchmarks send through the real bus, one at a time (how long one client
// waits) and a thousand at a time (what a storm costs each). The first, echo, is
// what a bare request and its answer cost there; compare with it, from the same
// run.
func BenchmarkBus(b *testing.B) {
	for name, window := range map[string]int{"one": 1, "storm": 1000} {
		b.Run("echo/"+name, func(b *testing.B) { benchmarkEcho(b, window) })
		b.Run("ping/"+name, func(b *testing.B) { benchmarkMessage(b, window, `{"type":"ping","id":1}`) })
		b.Run("subscribe/"+name, func(b *testing.B) {
			benchmarkMessage(b, window, `{"type":"subscribe","symbols":["BTC-USD","ETH-*"],"interval_ms":100,"id":2}`)
		})
		b.Run("join/"+name, func(b *testing.B) { benchmarkJoin(b, window) })
	}
}

// inWindows calls send and receive b.N times each, so that at most window sent
// are not received.
func inWindows(b *testing.B, window int, send func(i int), receive func()) {
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		send(i)
		if i >= window-1 {
			receive()
		}
	}
	for range min(b.N, window-1) {
		receive()
	}
	b.StopTimer()
}

func benchmarkEcho(b *testing.B, window int) {
	server := bustest.New(b)
	there := bustest.Connect(b, server, "there")
	here := bustest.Connect(b, server, "here")
	if _, err := there.Subscribe("conn.*.message", func(m *bus.Msg) { _ = there.Publish(m.Reply, m.Data) }); err != nil {
		b.Fatal(err)
	}
	answers := make(chan *bus.Msg, 1<<16)
	if _, err := here.Subscribe("gateway.test.*", func(m *bus.Msg) { answers <- m }); err != nil {
		b.Fatal(err)
	}
	for _, c := range []*bus.Conn{here, there} {
		ctx, cancel := context.WithTimeout(b.Context(), timeout)
		if err := c.Flush(ctx); err != nil {
			b.Fatal(err)
		}
		cancel()
	}
	data := []byte(`{"type":"ping","id":1}`)
	inWindows(b, window, func(i int) {
		id := strconv.Itoa(i % 1000)
		if err := here.Ask(bus.MessageOf(id), bus.Address(bustest.Node, id), data); err != nil {
			b.Fatal(err)
		}
	}, func() { <-answers })
}

func benchmarkMessage(b *testing.B, window int, message string) {
	w := newWorld(b, options{})
	const conns = 1000
	for i := range conns {
		w.publish(bus.JoinOf(strconv.Itoa(i)), newJoin(strconv.Itoa(i)))
	}
	for range conns {
		w.next()
	}
	inWindows(b, window, func(i int) {
		id := strconv.Itoa(i % conns)
		if err := w.bus.Ask(bus.MessageOf(id), bus.Address(bustest.Node, id), []byte(message)); err != nil {
			b.Fatal(err)
		}
	}, func() { <-w.answers })
}

// benchmarkJoin takes a connection through join, answer and leave.
func benchmarkJoin(b *testing.B, window int) {
	w := newWorld(b, options{})
	inWindows(b, window, func(i int) {
		id := strconv.Itoa(i)
		w.publish(bus.JoinOf(id), newJoin(id))
	}, func() {
		m := <-w.answers
		w.publish(bus.LeaveOf(bus.AddressID(m.Subject)), bus.Leave{})
	})
}
