package cluster

import (
	"encoding/json"
	"errors"
	"fmt"

	"tickerd/bus"
)

// Node is what a node says of itself.
type Node struct {
	Node        string `json:"node"`
	RunID       string `json:"run_id"` // another one each time that the node starts
	Version     string `json:"version"`
	StartedAt   int64  `json:"started_at"`
	State       string `json:"state"`            // Starting, Ready, CutOff, Draining or Gone
	Voter       bool   `json:"voter"`            // it keeps what the cluster keeps
	Voters      int    `json:"voters,omitempty"` // how many do, as far as it knows
	Connections int    `json:"connections"`      // of clients
	Held        int    `json:"held"`             // connections, of any node, that its handlers hold
	Publisher   bool   `json:"publisher"`        // it publishes the prices
	Term        uint64 `json:"term"`             // of the newest tick that it has
	Seq         uint64 `json:"seq"`
	LagMS       int64  `json:"lag_ms"`    // how old that tick was when it came
	KeySeq      uint64 `json:"key_seq"`   // how far it has applied the changes of keys
	TokenKey    string `json:"token_key"` // which key signs tokens, as their header "kid" names it
}

// The states of a node.
const (
	Starting = "starting"
	Ready    = "ready"
	CutOff   = "cut off"
	Draining = "draining"
	Gone     = "gone"
)

// Seen is a node as another one sees it.
type Seen struct {
	Node
	HeardMS int64 `json:"heard_ms"` // since its last beat
}

// Limits of what a beat may say. The list of so many nodes fits into one message.
const (
	maxNodes = 1024
	maxBeat  = 4 << 10
	maxName  = 255
	maxText  = 64
)

// readNode reads a beat.
func readNode(data []byte) (Node, error) {
	var n Node
	if len(data) > maxBeat {
		return n, fmt.Errorf("%d bytes", len(data))
	}
	if err := json.Unmarshal(data, &n); err != nil {
		return n, err
	}
	// The clocks of who made the tick and of who got it may differ.
	n.LagMS = max(n.LagMS, 0)
	return n, n.check()
}

// subject is where a node beats.
func (n *Node) subject() string {
	if n.Voter {
		return bus.AliveOf(n.Node)
	}
	return bus.EdgeOf(n.Node)
}

// check says what a node cannot be.
func (n *Node) check() error {
	switch {
	case n.Node == "" || n.Node != bus.NodeName(n.Node) || len(n.Node) > maxName:
		return errors.New("its name is not one token of a subject")
	case n.State == "":
		return errors.New("it has no state")
	case n.Voters < 0 || n.Voters > maxNodes:
		return errors.New("it has an impossible number of voters")
	case n.Connections < 0 || n.Held < 0:
		return errors.New("it has less than no connections")
	}
	for _, text := range []string{n.RunID, n.Version, n.State, n.TokenKey} {
		if len(text) > maxText {
			return errors.New("its words are too long")
		}
	}
	return nil
}
