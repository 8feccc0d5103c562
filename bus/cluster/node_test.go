package cluster

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
)

func TestReadNode(t *testing.T) {
	const whole = `{"node":"a","run_id":"r1","version":"v1.2.3","started_at":1700000000,"state":"ready","voter":true,"voters":3,` +
		`"connections":5,"held":4,"publisher":true,"term":7,"seq":99,"lag_ms":2,"key_seq":12,"token_key":"k1"}`
	n, err := readNode([]byte(whole))
	want := Node{
		Node: "a", RunID: "r1", Version: "v1.2.3", StartedAt: 1700000000, State: Ready, Voter: true, Voters: 3,
		Connections: 5, Held: 4, Publisher: true, Term: 7, Seq: 99, LagMS: 2, KeySeq: 12, TokenKey: "k1",
	}
	if err != nil || n != want {
		t.Errorf("got %+v, %v", n, err)
	}
	if again, err := json.Marshal(n); err != nil || string(again) != whole {
		t.Errorf("says %s, %v", again, err)
	}
	if n, err := readNode([]byte(`{"node":"a","state":"of a later version","lag_ms":-3,"new":[]}`)); err != nil || n.LagMS != 0 {
		t.Errorf("got %+v, %v", n, err)
	}
	for _, refused := range []string{
		"", "null", "[]", "{", `"a"`, `{"node":"a"}`, `{"state":"ready"}`,
		`{"node":"a.b","state":"ready"}`, `{"node":"a b","state":"ready"}`, `{"node":"*","state":"ready"}`,
		`{"node":"` + strings.Repeat("a", maxName+1) + `","state":"ready"}`,
		`{"node":"a","state":"` + strings.Repeat("a", maxText+1) + `"}`,
		`{"node":"a","state":"ready","version":"` + strings.Repeat("a", maxText+1) + `"}`,
		`{"node":"a","state":"ready","voters":-1}`, `{"node":"a","state":"ready","voters":1000000}`,
		`{"node":"a","state":"ready","connections":-1}`, `{"node":"a","state":"ready","held":-1}`,
		`{"node":"a","state":"ready","seq":-1}`, `{"node":"a","state":"ready","seq":1e99}`,
		`{"node":"a","state":"ready","x":"` + strings.Repeat("a", maxBeat) + `"}`,
	} {
		if n, err := readNode([]byte(refused)); err == nil {
			t.Errorf("%.80s is taken for %+v", refused, n)
		}
	}
}

// Whatever comes, from whomever: nothing breaks, and this node's own word stands.
func FuzzLearn(f *testing.F) {
	f.Add("node.a.alive", []byte(`{"node":"a","run_id":"","state":"ready","voter":true,"voters":9}`))
	f.Add("node.b.alive", []byte(`{"node":"b","run_id":"r","state":"ready","voter":true,"voters":3,"token_key":"k"}`))
	f.Add("node.b.alive", []byte(`{"node":"b","run_id":"r","state":"gone"}`))
	f.Add("node.c.alive", []byte(`{"node":"b","state":"ready"}`))
	f.Add("called.0", []byte(`{"node":"b","state":"ready","voter":true}`))
	f.Add("called.-9223372036854775808", []byte(`{"node":"b","state":"ready"}`))
	f.Add("called.9223372036854775807", []byte(`{"node":"a","state":"ready"}`))
	f.Add("node.call", []byte("x"))
	f.Add("node.roll", []byte(nil))
	f.Add("node.list", []byte("{}"))
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		c := New(Config{
			Node: "a", Log: slog.New(slog.DiscardHandler),
			Report: func() Node { return Node{State: Ready, Voter: true, TokenKey: "ours"} },
			Voters: func() int { return 1 },
		})
		c.send = func(*bus.Msg) error { return nil }
		c.turn()
		if rest, ok := strings.CutPrefix(subject, "called."); ok {
			subject = bus.CalledOf(c.runID, rest)
		}
		for _, m := range []*bus.Msg{
			{Subject: subject, Data: data},
			{Subject: subject, Data: data, Reply: bus.CalledOf("x", "1")},
			{Subject: bus.AliveOf("b"), Data: []byte(`{"node":"b","run_id":"other","state":"ready"}`)},
			{Subject: subject, Data: data},
		} {
			c.take(m)
		}
		c.turn()
		list := c.Nodes()
		if len(list) > 3 || list[0].Node.Node != "a" && !strings.Contains(subject, list[0].Node.Node) {
			t.Fatalf("sees %+v", list)
		}
		for _, n := range list {
			if err := n.check(); err != nil {
				t.Errorf("%+v: %v", n, err)
			}
			if n.Node.Node == "a" && (n.RunID != c.runID || n.TokenKey != "ours") {
				t.Errorf("is told of itself: %+v", n)
			}
		}
		for _, m := range c.roll {
			if m.lived.After(time.Now()) {
				t.Errorf("%s lives in the future", m.Node.Node)
			}
		}
	})
}
