package auth

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"tickerd/bus"
)

// goodEvents are one of each kind.
func goodEvents() []event {
	hash := strings.Repeat("0a", 32)
	return []event{
		{ID: "a mark"},
		{ID: "key.k", Key: &journalKey{ID: "k", Hash: hash, Prefix: "tk_ABCDE", UserID: "ann", Role: "user", CreatedAt: now0}},
		{ID: "key.d", Key: &journalKey{
			ID: "d", Hash: hash, Prefix: "tk_ABCDE", UserID: "demo", Role: "user", Symbols: []string{"BTC-*", "ETH-USD"},
			Demo: true, Node: "node-0", CreatedAt: now0, ExpiresAt: new(int64(now0 + 1)), RevokedAt: new(int64(now0)),
		}},
		{ID: "r", Revocation: &bus.Revocation{TokenID: "t", At: now0}},
		{ID: "w", Withdrawn: &withdrawal{ID: "key.k", KeyID: "k"}},
	}
}

func TestEventsAreReadAsWritten(t *testing.T) {
	for _, want := range goodEvents() {
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readEvent(want.subject(), data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", data, got, err)
		}
		if want.Key == nil {
			continue
		}
		if got := want.Key.row().journaled(); !reflect.DeepEqual(got, want.Key) {
			t.Errorf("as a row: %+v, want %+v", got, want.Key)
		}
	}
}

func TestEventsRefused(t *testing.T) {
	key := func(change string) string {
		good := `{"id":"k","hash":"` + strings.Repeat("0a", 32) + `","prefix":"tk_ABCDE","user_id":"ann","role":"user","created_at":1,` + change + `}`
		return `{"id":"e","key":` + good + `}`
	}
	for _, tt := range []struct{ subject, data string }{
		{bus.JournalMark, ``},
		{bus.JournalMark, `[]`},
		{bus.JournalMark, `{}`},
		{bus.JournalMark, `{"id":"` + strings.Repeat("e", maxEventID+1) + `"}`},
		{bus.JournalMark, `{"id":"a\nb"}`},
		{"auth.journal.news", `{"id":"e"}`},
		{bus.JournalKey, `{"id":"e"}`},
		{bus.JournalKey, key(`"id":""`)},
		{bus.JournalKey, key(`"hash":"tk_AAAAA"`)},
		{bus.JournalKey, key(`"prefix":"tk_ABCDEFGH"`)},
		{bus.JournalKey, key(`"user_id":"user:ann"`)},
		{bus.JournalKey, key(`"role":""`)},
		{bus.JournalKey, key(`"symbols":["nonsense"]`)},
		{bus.JournalKey, key(`"node":"a\u0000b"`)},
		{bus.JournalRevoked, `{"id":"e"}`},
		{bus.JournalRevoked, `{"id":"e","revocation":{"key_id":"k"}}`},
		{bus.JournalRevoked, `{"id":"e","revocation":{"key_id":"k","user_id":"ann","at":1}}`},
		{bus.JournalWithdrawn, `{"id":"e"}`},
		{bus.JournalWithdrawn, `{"id":"e","withdrawn":{"id":"f"}}`},
	} {
		if got, err := readEvent(tt.subject, []byte(tt.data)); err == nil {
			t.Errorf("%s %s: %+v", tt.subject, tt.data, got)
		}
	}
}

// FuzzJournal has a database take whatever stands in the journal.
func FuzzJournal(f *testing.F) {
	for _, e := range goodEvents() {
		data, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.TrimPrefix(e.subject(), "auth.journal."), data)
	}
	s := openStore(f)
	if _, err := s.position(f.Context(), 1); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		e, err := readEvent("auth.journal."+kind, data)
		if err != nil {
			if e != (event{}) {
				t.Errorf("refused, and given: %+v", e)
			}
			return
		}
		for seq := range uint64(2) { // once more is no harm
			if _, err := s.apply(t.Context(), []entry{{e, seq}}); err != nil {
				t.Errorf("%+v: %v", e, err)
			}
		}
	})
}

func TestContact(t *testing.T) {
	var c contact
	if c.isIn() || c.isCurrent() {
		t.Error("in touch at first")
	}
	catch := func() {
		turn, due := c.begin()
		if !due {
			t.Error("nothing to catch up with")
		}
		c.caughtUp(turn)
	}
	c.turned(true)
	if !c.isIn() || c.isCurrent() {
		t.Error("current before it has caught up")
	}
	catch()
	if _, due := c.begin(); due || !c.isCurrent() {
		t.Error("not current")
	}
	c.turned(true) // anew
	if !c.isIn() || c.isCurrent() {
		t.Error("current without catching up anew")
	}
	turn, _ := c.begin()
	c.turned(false)
	c.caughtUp(turn) // too late
	if c.isIn() || c.isCurrent() {
		t.Error("current without touch")
	}
	c.turned(false)
	c.turned(true)
	if c.isCurrent() {
		t.Error("current by what was caught up with before")
	}
	catch()
	if !c.isCurrent() {
		t.Error("not current in the end")
	}
}
