package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/cluster"
)

func TestPrintNodes(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	list := []cluster.Seen{
		{HeardMS: 204, Node: cluster.Node{
			Node: "edge-1", Version: "v0.2.0", StartedAt: now.Unix() - 5, State: cluster.Starting,
		}},
		{HeardMS: 49, Node: cluster.Node{
			Node: "node-1", Version: "v0.2.0", StartedAt: now.Unix() - 3*86400, State: cluster.Ready, Voter: true, Publisher: true,
			Connections: 12345, Held: 6789, Seq: 173, KeySeq: 42,
		}},
		{HeardMS: 7512, Node: cluster.Node{
			Node: "node-2", Version: "\x1b[2J", StartedAt: now.Unix() + 1, State: cluster.CutOff, Voter: true, Seq: 170, LagMS: 12,
		}},
	}
	const want = "" +
		"   NODE    STATE     VERSION  UP  CONNECTIONS  HELD   SEQ  LAG    KEYS  VOTER  HEARD\n" +
		"   edge-1  starting  v0.2.0   5s  0            0      0    0 ms   0     no     200ms ago\n" +
		"*  node-1  ready     v0.2.0   3d  12,345       6,789  173  0 ms   42    yes    0s ago\n" +
		"   node-2  cut off   \uFFFD[2J     0s  0            0      170  12 ms  0     yes    7.5s ago\n"
	var got strings.Builder
	if err := printNodes(&got, list, now); err != nil || got.String() != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, &got, want)
	}
}

func TestUptime(t *testing.T) {
	for seconds, want := range map[int64]string{-1: "0s", 59: "59s", 60: "1m", 3599: "59m", 3600: "1h", 86399: "23h", 86400: "1d", 864000: "10d"} {
		if got := uptime(1_700_000_000, time.Unix(1_700_000_000+seconds, 0)); got != want {
			t.Errorf("after %d s: %s, want %s", seconds, got, want)
		}
	}
}

func TestNodes(t *testing.T) {
	path := t.TempDir()
	environ := []string{"TICKERD_DATA_DIR=" + path}
	if got, want := call(t.Context(), environ, "", "nodes"), (result{1, "", "tickerd: no node runs on the data directory " + path + "\n"}); got != want {
		t.Errorf("without a node: got %+v, want %+v", got, want)
	}

	server, _ := startBus(t, path)
	if got, want := call(t.Context(), environ, "", "nodes"), (result{1, "", "tickerd: no node that hears all others answers\n"}); got != want {
		t.Errorf("with one that only starts: got %+v, want %+v", got, want)
	}

	began := time.Now().Unix()
	runCluster(t, server, cluster.Node{Version: "v1", StartedAt: began, State: cluster.Ready, Voter: true, Connections: 3})
	var list []cluster.Seen
	got := call(t.Context(), environ, "", "nodes", "--json")
	if err := json.Unmarshal([]byte(got.stdout), &list); err != nil || got.status != 0 || len(list) != 1 {
		t.Fatalf("got %+v: %v", got, err)
	}
	if n := list[0]; n.Node.Node != "test" || n.Version != "v1" || n.Connections != 3 || n.StartedAt != began || !n.Voter {
		t.Errorf("got %+v", n)
	}
	got = call(t.Context(), environ, "", "nodes")
	if got.status != 0 || !strings.Contains(got.stdout, "\n  test  ready  v1 ") {
		t.Errorf("got %+v", got)
	}

	wrong := append(environ, "TICKERD_BUS_OPERATOR_PASSWORD=battery-staple-correct-horse")
	got = call(t.Context(), wrong, "", "nodes")
	if got.status != 1 || !strings.HasPrefix(got.stderr, "tickerd: the node that runs on "+path+" does not let its operator in: ") {
		t.Errorf("with a wrong password: got %+v", got)
	}
}

func TestNodesOfAnotherSystem(t *testing.T) {
	server, password := startBus(t, t.TempDir())
	runCluster(t, server, cluster.Node{Version: "v1", State: cluster.Ready})
	environ := []string{"TICKERD_DATA_DIR=" + t.TempDir(), "TICKERD_BUS_URL=nats://operator:" + password + "@" + server.Addr().String()}
	if got := call(t.Context(), environ, "", "nodes"); got.status != 0 || got.stderr != "" || !strings.Contains(got.stdout, "\n  test  ready  v1 ") {
		t.Errorf("got %+v", got)
	}
}

// startBus runs a node's bus on the data directory at path; its operator has the password.
func startBus(t *testing.T, path string) (server *bus.Server, password string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := openDir(t, path)
	password, err := secret(dir.file(operatorPasswordFile), minPassword, randomSecret, log)
	if err != nil {
		t.Fatal(err)
	}
	server, err = bus.Start(t.Context(), bus.Config{Node: "test", Listen: "127.0.0.1:0", OperatorPassword: password}, dir.file(busDir), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if err := server.ServeLocal(dir.file(socketFile)); err != nil {
		t.Fatal(err)
	}
	return server, password
}

// runCluster has a node tell of itself until the test ends.
func runCluster(t *testing.T, server *bus.Server, says cluster.Node) {
	t.Helper()
	conn, err := server.Connect("cluster")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	nodes := cluster.New(cluster.Config{
		Conn: conn, Node: server.Node(), Alone: true,
		Report: func() cluster.Node { return says },
		Voters: server.Voters,
		Log:    slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- nodes.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for { // until it answers
		if list, err := cluster.List(t.Context(), conn); err == nil && len(list) > 0 {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("no node answers")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
