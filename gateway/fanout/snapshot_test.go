package fanout_test

import (
	"testing"

	"tickerd/gateway/fanout"
)

// TestSnapshotIsShared holds that those who come between two ticks share what they
// are given, and that nobody is given what has changed since.
func TestSnapshotIsShared(t *testing.T) {
	for _, encoding := range encodings {
		hub := newHub(t)
		v := everything
		v.Encoding = encoding
		publish(t, hub, newTicks(20).next())
		subscribe := func() []byte {
			c := fanout.NewCursor(hub)
			return c.Subscribe(v)
		}
		subscribe() // alone, it is not kept for anybody
		first, second := subscribe(), subscribe()
		if &first[0] != &second[0] {
			t.Error("two snapshots were made")
		}
		late := fanout.NewCursor(hub)
		late.Subscribe(v)
		if told := late.Snapshot(); &told[0] != &first[0] {
			t.Error("one was made for a cursor that is behind, though no status was ever told")
		}
		publish(t, hub, tickOf(1e15+2, "A-B"))
		if m := parse(t, subscribe()); len(m) != 1 || m[0].Seq != 1e15+2 || len(m[0].Data) != 21 || m[0].compressed != (encoding == fanout.Deflate) {
			t.Errorf("after a tick: %+v", m)
		}
		if err := hub.Status([]byte(`{"type":"status","source":"x","state":"down","symbols":["A-B"]}`)); err != nil {
			t.Fatal(err)
		}
		if m := parse(t, subscribe()); len(m) != 2 || m[1].State != "down" || m[1].compressed {
			t.Errorf("after a status: %+v", m)
		}
		if err := hub.Status([]byte(`{"type":"status","source":"x","state":"live","symbols":["A-B"]}`)); err != nil {
			t.Fatal(err)
		}
		if m := parse(t, subscribe()); len(m) != 1 {
			t.Errorf("after the end of that: %+v", m)
		}
		if m := parse(t, late.Snapshot()); len(m) != 2 || m[1].State != "live" {
			t.Errorf("who may not have heard of it: %+v", m)
		}
	}
}
