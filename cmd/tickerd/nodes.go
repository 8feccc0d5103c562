package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"tickerd/bus"
	"tickerd/bus/cluster"
)

// nodesCommand shows the nodes of a cluster.
type nodesCommand struct {
	JSON bool `name:"json" help:"Print a JSON array; times are unix seconds."`
}

// Help is what --help says besides.
func (nodesCommand) Help() string {
	return `It asks, by way of the node that runs on the data directory, or of the NATS system of bus.url, a node that hears all others.

The publisher is marked *. LAG is how old the newest tick was when it came to that node, by the clocks of both machines. HEARD is how long ago the node that was asked heard of it.`
}

func (c nodesCommand) Run(ctx context.Context, p *program, file *configFile) error {
	s, _, err := readSettings(string(*file), p.environ)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, err := p.dialNode(s)
	if err != nil {
		return err
	}
	defer conn.Close()
	list, err := cluster.List(ctx, conn)
	switch {
	case errors.Is(err, bus.ErrNoResponders):
		return errors.New("no node that hears all others answers")
	case err != nil:
		return err
	case c.JSON:
		return printJSON(p.stdout, list)
	}
	return printNodes(p.stdout, list, time.Now())
}

func printNodes(w io.Writer, list []cluster.Seen, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tNODE\tSTATE\tVERSION\tUP\tCONNECTIONS\tHELD\tSEQ\tLAG\tKEYS\tVOTER\tHEARD")
	for _, n := range list {
		mark, voter := "", "no"
		if n.Publisher {
			mark = "*"
		}
		if n.Voter {
			voter = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d ms\t%d\t%s\t%s ago\n", mark, n.Node.Node, printable(n.State), printable(n.Version),
			uptime(n.StartedAt, now), grouped(n.Connections), grouped(n.Held), n.Seq, n.LagMS, n.KeySeq, voter,
			(time.Duration(n.HeardMS) * time.Millisecond).Round(100*time.Millisecond))
	}
	return t.Flush()
}

// uptime is how long ago that was, in its largest unit: "3d", "4h", "5m", "6s".
func uptime(since int64, now time.Time) string {
	seconds := max(now.Unix()-since, 0)
	for _, unit := range []struct {
		name    string
		seconds int64
	}{{"d", 86400}, {"h", 3600}, {"m", 60}} {
		if seconds >= unit.seconds {
			return strconv.FormatInt(seconds/unit.seconds, 10) + unit.name
		}
	}
	return strconv.FormatInt(seconds, 10) + "s"
}
