package cluster

import (
	"fmt"
	"slices"
	"time"
)

// A member is a node that is heard.
type member struct {
	Node
	beat   time.Time // when its last beat came
	lived  time.Time // it surely lived then, or later
	silent int       // turns since its last beat
	former string    // the run before this one

	toldKey, toldName time.Time
}

// isHeard reports whether the member counts among those that this node is in touch with.
func (m *member) isHeard(now time.Time) bool { return now.Sub(m.lived) < touchWithin }

// majority is until when this node is in touch, as far as it has heard.
func (c *Cluster) majority() time.Time {
	if c.cfg.Alone {
		return c.roll[c.cfg.Node].lived.Add(touchWithin)
	}
	total := c.electorate()
	var lived []time.Time
	for _, m := range c.roll {
		if m.Voter {
			lived = append(lived, m.lived)
		}
	}
	most := total/2 + 1
	if total == 0 || len(lived) < most {
		return time.Time{}
	}
	slices.SortFunc(lived, func(a, b time.Time) int { return b.Compare(a) })
	return lived[most-1].Add(touchWithin)
}

// electorate is how many voters there are; 0: unknown.
func (c *Cluster) electorate() int {
	total := c.voters
	for _, m := range c.roll {
		total = max(total, m.Voters)
	}
	return total
}

// tally is how many voters are heard, out of how many: "1 of 3".
func (c *Cluster) tally(now time.Time) string {
	heard := 0
	for _, m := range c.roll {
		if m.Voter && m.isHeard(now) {
			heard++
		}
	}
	if total := c.electorate(); total > 0 {
		return fmt.Sprintf("%d of %d", heard, total)
	}
	return fmt.Sprintf("%d of an unknown number of", heard)
}
