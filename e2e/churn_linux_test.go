package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"tickerd/e2e/nodetest"

	"github.com/gobwas/ws"
	"golang.org/x/sync/errgroup"
)

// TestChurn has 100,000 clients come and go, in every way in which a client goes.
// Nothing is left of them: no file, no memory, nobody who has joined and not left.
func TestChurn(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 connections")
	}
	nodetest.AsUsed(t)
	const warm, count = 4_000, 100_000
	n := nodetest.Start(t)
	c := newCrowd(t, n, inFlight(), "")
	operator := n.Operator(t)
	operator.Subscribe("conn.*.join")
	operator.Subscribe("conn.*.leave")

	c.comeAndGo(t, operator, warm) // what is made once is there
	checkEmpty(t, n, warm)
	before, files := memoryOf(t, n), n.Files(t)
	began := time.Now()
	c.comeAndGo(t, operator, count)
	t.Logf("%d clients have come and gone within %v", count, time.Since(began))
	checkEmpty(t, n, warm+count)

	nodetest.Eventually(t, "as few open files as before", func() bool { return n.Files(t) <= files })
	const beside = 10 // goroutines that are no client's
	nodetest.Eventually(t, "as few goroutines as before", func() bool { return n.Metric(t, "go_goroutines") <= before.goroutines+beside })
	after := memoryOf(t, n)
	heap, resident := after.heap+after.stack-before.heap-before.stack, after.resident-before.resident
	t.Logf("heap and stacks %+.1f MB, resident memory %+.1f MB", heap/1e6, resident/1e6)
	if heap > 100*count || resident > 400*count {
		t.Errorf("every connection leaves %.0f bytes on heap and stacks, and %.0f in resident memory", heap/count, resident/count)
	}
}

// inFlight is how many come and go at a time: several for each of the server's
// loops, so that all of them have begun after the first few thousand.
func inFlight() int { return max(64, 4*runtime.NumCPU()) }

// checkEmpty waits until the node has nobody left of those who have ever come.
func checkEmpty(t *testing.T, n *nodetest.Node, came float64) {
	t.Helper()
	for name, want := range map[string]float64{
		"tickerd_gateway_connections_opened_total": came,
		"tickerd_gateway_connections_closed_total": came,
		"tickerd_gateway_connections":              0,
		"tickerd_handler_connections":              0,
	} {
		nodetest.Eventually(t, name, func() bool { return n.Metric(t, name) == want })
	}
}

// departures are the ways in which clients go, in turn.
var departures = []struct {
	code    int  // of the leave
	unheard bool // before it is welcomed
	depart  func(visitor) error
}{
	{code: 1000, depart: visitor.sayGoodbye},
	{code: 1006, depart: visitor.hangUp},
	{code: 1006, depart: visitor.reset},
	{code: 1006, depart: visitor.hangUp, unheard: true},
}

// comeAndGo has count clients come and go, many at a time. It returns when the bus
// has told that each has joined once, and then left once, for the reason that it had.
func (c *crowd) comeAndGo(t *testing.T, operator *nodetest.BusConn, count int) {
	t.Helper()
	visits, visiting := errgroup.WithContext(t.Context())
	hands := inFlight()
	for hand := range hands {
		visits.Go(func() error {
			for i := hand; i < count && visiting.Err() == nil; i += hands {
				if err := c.visit(i); err != nil {
					return fmt.Errorf("client %d: %w", i, err)
				}
			}
			return nil
		})
	}
	defer func() {
		if err := visits.Wait(); err != nil {
			t.Error(err)
		}
	}()
	want, got := map[int]int{}, map[int]int{}
	for i := range count {
		want[departures[i%len(departures)].code]++
	}
	present := map[string]bool{}
	for left := 0; left < count; {
		d := operator.Next()
		id, verb, _ := strings.Cut(strings.TrimPrefix(d.Subject, "conn."), ".")
		if joins := verb == "join"; joins == present[id] {
			t.Fatalf("%s, present: %t", d.Subject, present[id])
		} else if joins {
			present[id] = true
			continue
		}
		delete(present, id)
		left++
		var leave struct{ Code int }
		if err := json.Unmarshal([]byte(d.Data), &leave); err != nil {
			t.Fatal(err)
		}
		got[leave.Code]++
	}
	if !maps.Equal(got, want) || len(present) > 0 {
		t.Errorf("the leaves have the codes %v, not %v, and %d have not left", got, want, len(present))
	}
}

// visit is the whole life of client i.
func (c *crowd) visit(i int) error {
	v, err := c.arrive(i)
	if err != nil {
		return err
	}
	defer v.conn.Close()
	if err := v.enter(); err != nil {
		return err
	}
	departure := departures[i%len(departures)]
	if !departure.unheard {
		if err := v.greeted(); err != nil {
			return err
		}
	}
	return departure.depart(v)
}

// sayGoodbye sends a close frame and waits for the server's.
func (v visitor) sayGoodbye() error {
	body := ws.NewCloseFrameBody(ws.StatusNormalClosure, "")
	if err := ws.WriteFrame(v.conn, ws.MaskFrame(ws.NewCloseFrame(body))); err != nil {
		return err
	}
	for {
		if op, _, err := v.frame(); err != nil || op == ws.OpClose {
			return err
		}
	}
}

// hangUp closes the socket without a word.
func (v visitor) hangUp() error { return v.conn.Close() }

// reset has the system throw the connection away.
func (v visitor) reset() error {
	if err := v.conn.SetLinger(0); err != nil {
		return err
	}
	return v.conn.Close()
}
