package auth

import (
	"slices"
	"testing"
	"time"

	"tickerd/bus"
)

// What counts no more need not be told, however long a node stays alone.
func TestOutboxForgets(t *testing.T) {
	s := openStore(t)
	s.clock = at(now0)
	_, info, err := s.Create(t.Context(), NewKey{User: "ann"})
	if err == nil {
		err = s.Revoke(t.Context(), info.ID)
	}
	if err == nil {
		err = s.Record(t.Context(), bus.Revocation{TokenID: "token"}, bus.Revocation{UserID: "bob"}, bus.Revocation{KeyID: "unknown"})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.clock = at(now0 + int64(2*remembered/time.Second))
	if err := s.Record(t.Context(), bus.Revocation{TokenID: "late"}); err != nil {
		t.Fatal(err)
	}
	rows, _, err := s.outbox(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, row := range rows {
		left = append(left, row.Kind+" "+row.ID)
	}
	if want := []string{"key " + info.ID, "token late"}; !slices.Equal(left, want) {
		t.Errorf("to be told: %v, want %v", left, want)
	}
}
