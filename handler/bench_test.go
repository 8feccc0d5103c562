package handler_test

import (
	"strconv"
	"testing"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

// BenchmarkBus sends through the real bus: one message at a time, which is how
// long one client waits, and a thousand at a time, which is what each costs in a
// storm. Echo is what a bare request and its answer cost there; the others mean
// something only beside it, from the same run.
func BenchmarkBus(b *testing.B) {
	for _, c := range []struct {
		name   string
		window int
	}{{"one", 1}, {"storm", 1000}} {
		b.Run("echo/"+c.name, func(b *testing.B) { benchmarkEcho(b, c.window) })
		b.Run("ping/"+c.name, func(b *testing.B) { benchmarkMessage(b, c.window, `{"type":"ping","id":1}`) })
		b.Run("subscribe/"+c.name, func(b *testing.B) {
			benchmarkMessage(b, c.window, `{"type":"subscribe","symbols":["BTC-USD","ETH-*"],"interval_ms":100,"id":2}`)
		})
		b.Run("join/"+c.name, func(b *testing.B) { benchmarkJoin(b, c.window) })
	}
}

// BenchmarkHeld is what a connection costs that is held and silent: the live heap
// of its handler and of the bus, server and client, with names as long as real
// ones.
func BenchmarkHeld(b *testing.B) {
	for _, conns := range []int{20_000, 100_000} {
		b.Run(strconv.Itoa(conns), func(b *testing.B) {
			for range b.N {
				w := newWorld(b, options{})
				before := w.heap()
				for range conns {
					w.join(newJoin(bus.NewID()))
				}
				b.ReportMetric(float64(w.heap()-before)/float64(conns), "B/conn")
				w.stop()
			}
		})
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
	w := newWorld(b, options{})
	if _, err := w.inside.Subscribe("echo", func(m *bus.Msg) { _ = w.inside.Publish(m.Reply, m.Data) }); err != nil {
		b.Fatal(err)
	}
	w.flush(w.inside)
	inWindows(b, window, func(int) {
		if err := w.bus.Ask("echo", bus.Address(bustest.Node, "1"), []byte(`{"type":"ping","id":1}`)); err != nil {
			b.Fatal(err)
		}
	}, func() { w.next() })
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
	}, func() { w.next() })
}

// benchmarkJoin takes a connection through join, answer and leave.
func benchmarkJoin(b *testing.B, window int) {
	w := newWorld(b, options{})
	inWindows(b, window, func(i int) {
		id := strconv.Itoa(i)
		w.publish(bus.JoinOf(id), newJoin(id))
	}, func() {
		m := w.next()
		w.publish(bus.LeaveOf(bus.AddressID(m.Subject)), bus.Leave{})
	})
}
