package bus_test

import (
	"encoding/binary"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

// flood is far more than an inbox has room for, and 80 MB.
const (
	flood     = 20 << 12
	floodSize = 1000
)

// send publishes n numbered messages on subject, and returns when the server has
// handled them.
func send(t *testing.T, c *bus.Conn, subject string, n int) {
	t.Helper()
	for i := range n {
		if err := c.Ask(subject, "answers", binary.BigEndian.AppendUint32(make([]byte, floodSize-4, floodSize), uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, c)
}

func flush(t *testing.T, c *bus.Conn) {
	t.Helper()
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// number is the one that send gave a message.
func number(m *bus.Msg) int { return int(binary.BigEndian.Uint32(m.Data[len(m.Data)-4:])) }

// fullInbox is an inbox for "flood", with its connection and that of a sender who
// has sent flood messages there. Nobody has taken any.
func fullInbox(t *testing.T) (b *bus.Inbox, sub *bus.Subscription, taker, sender *bus.Conn) {
	t.Helper()
	s := bustest.New(t)
	taker, sender = bustest.Connect(t, s, "taker"), bustest.Connect(t, s, "sender")
	b = taker.NewInbox()
	t.Cleanup(b.Close)
	sub, err := b.Subscribe("flood")
	if err != nil {
		t.Fatal(err)
	}
	flush(t, taker)
	send(t, sender, "flood", flood)
	return b, sub, taker, sender
}

// next takes a message, which must be the one of that number.
func next(t *testing.T, b *bus.Inbox, want int) *bus.Msg {
	t.Helper()
	m := b.Next(t.Context().Done())
	if m == nil {
		t.Fatalf("message %d did not come", want)
	}
	if got := number(m); got != want {
		t.Fatalf("got message %d, want %d", got, want)
	}
	return m
}

// The server gets rid of everything though nobody takes it: it has no reason to
// hold up who sends, nor to cut the taker off.
func TestInboxDoesNotBurdenTheServer(t *testing.T) {
	s := bustest.New(t)
	taker, sender := bustest.Connect(t, s, "taker"), bustest.Connect(t, s, "sender")
	b := taker.NewInbox()
	t.Cleanup(b.Close)
	if _, err := b.Subscribe("flood"); err != nil {
		t.Fatal(err)
	}
	flush(t, taker)
	send(t, sender, "flood", flood)
	for end := time.Now().Add(patience); ; {
		pending, err := s.Pending("taker")
		if err != nil {
			t.Fatal(err)
		}
		if pending == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d bytes wait in the server", pending)
		}
	}
}

// However small the messages and the room are, all fit.
func TestInboxOfSmallMessages(t *testing.T) {
	s := bustest.New(t)
	taker, sender := bustest.Connect(t, s, "taker"), bustest.Connect(t, s, "sender")
	for _, room := range []int{4, 5, 64, 1001} {
		b := taker.NewSmallInbox(room)
		sub, err := b.Subscribe("a")
		if err != nil {
			t.Fatal(err)
		}
		flush(t, taker)
		const many = 10_000
		for range many {
			if err := sender.Publish("a", nil); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, sender)
		if err := sub.Drain(); err != nil {
			t.Fatal(err)
		}
		taken := 0
		if err := b.Settle(func(*bus.Msg) { taken++ }); err != nil || taken != many {
			t.Errorf("room for %d: took %d of %d: %v", room, taken, many, err)
		}
		b.Close()
	}
}

// However late they are taken, all messages are there, in order, and who sent
// them was not held up; nor is anyone else.
func TestInboxLosesNothing(t *testing.T) {
	b, _, _, sender := fullInbox(t)
	ticks := make(chan *bus.Msg, 1)
	if _, err := sender.SubscribeChan(bus.Prices, ticks); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		send(t, sender, bus.Prices, 1)
		receive(t, ticks)
		next(t, b, i)
	}
	for i := 1000; i < flood; i++ {
		next(t, b, i)
	}
}

// Who takes may publish and subscribe over the same connection, which is not read
// meanwhile.
func TestInboxTakerAnswers(t *testing.T) {
	b, _, taker, sender := fullInbox(t)
	answers := sender.NewInbox()
	t.Cleanup(answers.Close)
	if _, err := answers.Subscribe("answers"); err != nil {
		t.Fatal(err)
	}
	flush(t, sender)
	for i := range flood {
		m := next(t, b, i)
		sub, err := b.Subscribe("nothing")
		if err != nil {
			t.Fatal(err)
		}
		if err := taker.Publish(m.Reply, m.Data); err != nil {
			t.Fatal(err)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range flood {
		next(t, answers, i)
	}
}

// Behind Drain, Settle gives all that was sent before, and nothing comes after.
func TestInboxSettles(t *testing.T) {
	b, sub, _, sender := fullInbox(t)
	if err := sub.Drain(); err != nil {
		t.Fatal(err)
	}
	taken := 0
	err := b.Settle(func(m *bus.Msg) {
		if got := number(m); got != taken {
			t.Fatalf("got message %d, want %d", got, taken)
		}
		taken++
	})
	if err != nil || taken != flood {
		t.Errorf("took %d of %d: %v", taken, flood, err)
	}
	if err := sender.Ask("flood", "answers", nil); err != nil {
		t.Fatal(err)
	}
	flush(t, sender)
	if err := b.Settle(func(*bus.Msg) { t.Error("a message came behind the end") }); err != nil {
		t.Error(err)
	}
}

// A full inbox holds up nothing once it is closed, and no connection's end.
func TestInboxCloses(t *testing.T) {
	for name, end := range map[string]func(*bus.Inbox, *bus.Conn){
		"inbox":      func(b *bus.Inbox, taker *bus.Conn) { b.Close(); flush(t, taker) },
		"connection": func(_ *bus.Inbox, taker *bus.Conn) { taker.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			b, _, taker, _ := fullInbox(t)
			end(b, taker)
		})
	}
}

// BenchmarkInbox is what one message costs whose taker is always behind.
func BenchmarkInbox(b *testing.B) {
	s := bustest.New(b)
	taker, sender := bustest.Connect(b, s, "taker"), bustest.Connect(b, s, "sender")
	in := taker.NewInbox()
	defer in.Close()
	if _, err := in.Subscribe("flood"); err != nil {
		b.Fatal(err)
	}
	if err := taker.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 200)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			if err := sender.Publish("flood", data); err != nil {
				b.Error(err)
			}
		}
	}()
	for range b.N {
		in.Next(nil)
	}
}
