package bench

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestMerge(t *testing.T) {
	report := func(opened int, delays ...int64) Report {
		all := newTally()
		for _, us := range delays {
			record(all.delay, us)
		}
		record(all.handshake, 5)
		return Report{
			Conns: opened + 1, Threads: 1, WindowS: 2,
			Handshakes: Handshakes{
				Attempted: opened + 1, Opened: opened, Failed: 1, PerSecond: 10,
				Failures: []FailureCount{{noAnswer, 1}},
			},
			Received:    Received{Messages: uint64(len(delays)), MessagesPerSecond: 3},
			Ticks:       &Ticks{Published: uint64(len(delays)), Received: uint64(len(delays)), PerConn: Fairness{uint32(len(delays)), uint32(len(delays)), uint32(len(delays))}},
			Disconnects: []Disconnect{{1006, 1}},
			Histograms:  &Histograms{encode(all.handshake), encode(all.delay), encode(all.join)},
		}
	}
	list := []Report{report(10, 1, 1, 1, 1), report(20, 100, 1000)}
	list[1].Disconnects = []Disconnect{{1001, 2}, {1006, 3}}
	got, err := Merge(list)
	if err != nil {
		t.Fatal(err)
	}
	if h := got.Handshakes; h.Opened != 30 || h.Failed != 2 || h.PerSecond != 20 || len(h.Failures) != 1 || h.Failures[0].Count != 2 {
		t.Errorf("handshakes %+v", h)
	}
	if d := got.DelayUS; d == nil || d.P50 != 1 || d.P99 != 1000 {
		t.Errorf("delay %+v", d)
	}
	if k := got.Ticks; k.Published != 4 || k.Received != 6 || k.PerConn != (Fairness{2, 2, 4}) || k.Missing != nil {
		t.Errorf("ticks %+v", k)
	}
	if want := []Disconnect{{1001, 2}, {1006, 4}}; !slices.Equal(got.Disconnects, want) || len(list[0].Disconnects) != 1 {
		t.Errorf("disconnects %v", got.Disconnects)
	}
	if got.Conns != 32 || got.Received.Messages != 6 || got.Histograms != nil {
		t.Errorf("got %+v", got)
	}
	if _, err := Merge([]Report{{}}); !errors.Is(err, ErrAlone) {
		t.Errorf("got %v", err)
	}
	if _, err := Merge(nil); err == nil {
		t.Error("nothing is merged")
	}
}

// Who is one of several waits, when its connections are open, until it is let go on.
func TestTogether(t *testing.T) {
	eachCarrier(t, func(t *testing.T, carry carrier) {
		s := newSite(t)
		s.Start()
		begin := make(chan struct{})
		var phases []string
		on := func(p Progress) {
			if p.Begins {
				phases = append(phases, p.Phase)
			}
			if p.Begins && p.Phase == "waiting to begin" {
				close(begin)
			}
		}
		ended := make(chan struct{})
		var report *Report
		var err error
		go func() {
			defer close(ended)
			report, err = run(t.Context(), Config{URL: s.url(t), Conns: 1, Begin: begin, Duration: time.Millisecond}, on, carry)
		}()
		for _, p := range s.next(t, 1) {
			p.send(welcomeText, snapshotAt(10, 0))
			p.part()
		}
		<-ended
		if err != nil || report.Histograms == nil {
			t.Errorf("got %+v, %v", report, err)
		}
		held, measured := slices.Index(phases, "waiting to begin"), slices.Index(phases, "measuring")
		if held < 0 || measured < held {
			t.Errorf("went through %q", phases)
		}
	})
}
