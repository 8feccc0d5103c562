package auth

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

// A stream that took the place of a lost one is read from its beginning, also when that
// could not be noted at the first try.
func TestJournalBeginsAnewAtTheSecondTry(t *testing.T) {
	conn := bustest.Connect(t, bustest.New(t), "test")
	s := openStore(t)
	j := newJournal(ServiceParts{Bus: conn, Store: s, Node: "test", Log: discard})
	if err := j.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.put(t.Context(), event{ID: "mark"}, 0); err != nil {
		t.Fatal(err)
	}
	if err := j.follow(t.Context()); err != nil || j.applied.at() != 1 {
		t.Fatalf("applied up to %d, %v", j.applied.at(), err)
	}

	loseJournal(t, conn)
	if _, err := conn.OpenStream(t.Context(), bus.StreamConfig{Name: bus.KeyJournal, Subjects: []string{bus.Journal}, MessageTTL: true}); err != nil {
		t.Fatal(err)
	}
	present, full := s.present, errors.New("disk full")
	s.present = func() error { return full }
	j.checkAt = time.Time{}
	if err := j.check(t.Context()); !errors.Is(err, full) {
		t.Fatal(err)
	}
	s.present = present
	if err := j.check(t.Context()); err != nil || j.applied.at() != 0 {
		t.Errorf("applied up to %d of another stream, %v", j.applied.at(), err)
	}
}

// loseJournal deletes the stream.
func loseJournal(t *testing.T, conn *bus.Conn) {
	t.Helper()
	answers := make(chan *bus.Msg, 1)
	if _, err := conn.SubscribeChan("test.deleted", answers); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ask("$JS.API.STREAM.DELETE."+bus.KeyJournal, "test.deleted", nil); err != nil {
		t.Fatal(err)
	}
	if m := <-answers; !strings.Contains(string(m.Data), `"success":true`) {
		t.Fatal(string(m.Data))
	}
}
