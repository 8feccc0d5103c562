package bus_test

import (
	"errors"
	"log/slog"
	"slices"
	"testing"

	"tickerd/bus"
)

// A stream on a server that starts twice: what was put is there.
func TestStream(t *testing.T) {
	dir := t.TempDir()
	open := func() (*bus.Stream, func()) {
		s, err := bus.Start(t.Context(), bus.Config{Node: "test"}, dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Connect("keeper")
		if err != nil {
			t.Fatal(err)
		}
		stream, err := c.OpenStream(t.Context(), bus.StreamConfig{Name: "KEPT", Subjects: []string{"kept.>"}, PerKey: 2})
		if err != nil {
			t.Fatal(err)
		}
		return stream, func() { c.Close(); s.Close() }
	}
	stream, end := open()
	for n, subject := range []string{"kept.a", "kept.b", "kept.a", "kept.a"} {
		seq, err := stream.Put(t.Context(), subject, []byte{byte('1' + n)})
		if err != nil || seq != uint64(n+1) {
			t.Fatalf("put %d (%v), want %d", seq, err, n+1)
		}
	}
	if _, err := stream.Put(t.Context(), "elsewhere", nil); err == nil {
		t.Error("put what is not captured")
	}
	end()

	stream, end = open()
	defer end()
	if got, err := stream.Last(t.Context(), "kept.a"); err != nil || string(got) != "4" {
		t.Errorf("last: %q, %v", got, err)
	}
	if _, err := stream.Last(t.Context(), "kept.c"); !errors.Is(err, bus.ErrNotKept) {
		t.Errorf("last of nothing: %v", err)
	}
	if seq, got, err := stream.Next(t.Context(), "kept.a", 1); err != nil || seq != 3 || string(got) != "3" {
		t.Errorf("next: %d, %q, %v", seq, got, err) // the first one is one too many
	}
	if _, _, err := stream.Next(t.Context(), "kept.a", 5); !errors.Is(err, bus.ErrNotKept) {
		t.Errorf("next behind the last: %v", err)
	}
	if got, err := stream.From(t.Context(), 1); err != nil || got.Seq != 2 || got.Subject != "kept.b" || string(got.Data) != "2" {
		t.Errorf("from 1: %+v, %v", got, err)
	}
	if _, err := stream.From(t.Context(), 5); !errors.Is(err, bus.ErrNotKept) {
		t.Errorf("from behind the last: %v", err)
	}
	if err := stream.Look(t.Context()); err != nil || stream.Created().IsZero() {
		t.Errorf("look: %v", err)
	}
	subjects, err := stream.Subjects(t.Context(), "kept.*")
	if slices.Sort(subjects); err != nil || !slices.Equal(subjects, []string{"kept.a", "kept.b"}) {
		t.Errorf("subjects: %v, %v", subjects, err)
	}
	if err := stream.Trim(t.Context(), "kept.a", 4); err != nil {
		t.Error(err)
	}
	if seq, _, err := stream.Next(t.Context(), "kept.a", 1); err != nil || seq != 4 {
		t.Errorf("next behind what was trimmed: %d, %v", seq, err)
	}
	if _, err := stream.Last(t.Context(), "kept.b"); err != nil {
		t.Errorf("another subject was trimmed: %v", err)
	}
}
