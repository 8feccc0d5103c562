package bus

import "strings"

// Subjects. A subject that names a connection or a node is made by a function.
const (
	Prices     = "ticker.prices"
	StatusNews = "ticker.status"

	// PriceSnapshot is answered by the node that publishes, with a "ticker" message
	// with "snapshot":true that holds every known price in the configured order, and
	// seq and ts of the last tick, both 0 before the first. PriceStatus is answered
	// with a list of Status, one for each state that some symbol is in, live and gone
	// included; empty with the simulator. Where it would be too long for a message it
	// is several. They are not below ticker., where everyone
	// may listen: a listener counts as a responder, and who asked in vain would not
	// be told at once.
	PriceSnapshot = "pricefeed.snapshot"
	PriceStatus   = "pricefeed.status"

	// PriceCandles is a CandlesRequest, answered with CandlesResult; PriceStats is
	// empty or a StatsRequest, answered with StatsResult: what became of every symbol
	// in the last 24 hours. Where nobody keeps a history, nobody answers.
	PriceCandles = "pricefeed.candles"
	PriceStats   = "pricefeed.stats"

	// PublisherAlive is an Alive, often: who publishes says so where no tick does.
	// PublisherReleased is an Alive too: who published has stopped, and another may
	// take over at once.
	PublisherAlive    = "pricefeed.alive"
	PublisherReleased = "pricefeed.released"

	// NodesAlive is every voter's beat, EdgesAlive that of the other nodes. NodeList is a
	// request that a node which hears both answers with all of them, NodeRoll one that
	// every node answers with a beat, NodeCall one that the voters answer at CalledOf: see
	// package cluster.
	NodesAlive = "node.*.alive"
	EdgesAlive = "node.*.edge"
	NodeList   = "node.list"
	NodeRoll   = "node.roll"
	NodeCall   = "node.call"

	// Nodes is the queue group for NodeList.
	Nodes = "nodes"

	// NodesUsers is how many connections users have on each node.
	NodesUsers = "node.*.users"

	// KeysChanged tells that something was put into the journal of keys. KeysUsed tells
	// when keys were exchanged: {"<key id>":1700000000,…}.
	KeysChanged = "auth.changed"
	KeysUsed    = "auth.used"

	// The journal of keys is the stream KeyJournal, of what is published below
	// auth.journal., as package auth says.
	KeyJournal       = "AUTH"
	Journal          = "auth.journal.>"
	JournalMark      = "auth.journal.mark"
	JournalKey       = "auth.journal.key"
	JournalRevoked   = "auth.journal.revoked"
	JournalWithdrawn = "auth.journal.withdrawn"

	Exchange    = "auth.exchange"
	Revoked     = "auth.revoked"
	Revocations = "auth.revocations"

	// What the command line asks of the node, as package auth says.
	KeyCreate = "auth.keys.create"
	KeyList   = "auth.keys.list"
	KeyRevoke = "auth.keys.revoke"

	// Joins is what every handler subscribes to, in the queue group Handlers.
	Joins    = "conn.*.join"
	Handlers = "handlers"
)

// Headers of a tick: who publishes, and the term of its lease. A gateway drops
// a tick of an older term than it has seen.
const (
	HeaderNode = "Tickerd-Node"
	HeaderTerm = "Tickerd-Term"
)

// HeaderStored marks a revocation that every database has, or gets without hearing of it.
const HeaderStored = "Tickerd-Stored"

// HeaderFence marks what a gateway sends to a connection's address itself: what
// was sent back before it is all there is.
const HeaderFence = "Tickerd-Fence"

// The last token of a connection's subject.
const (
	verbJoin    = "join"
	verbMessage = "message"
	verbLeave   = "leave"
)

// called is the second token of the subjects at which calls are answered.
const called = "called"

// CandleOf is ticker.candles.<interval>.<symbol>, where the candles of a symbol are told
// when they close.
func CandleOf(interval, symbol string) string { return "ticker.candles." + interval + "." + symbol }

// JoinOf is conn.<id>.join.
func JoinOf(id string) string { return "conn." + id + "." + verbJoin }

// MessageOf is conn.<id>.message.
func MessageOf(id string) string { return "conn." + id + "." + verbMessage }

// LeaveOf is conn.<id>.leave.
func LeaveOf(id string) string { return "conn." + id + "." + verbLeave }

// AllOf is conn.<id>.*, what the handler that holds the connection listens to.
func AllOf(id string) string { return "conn." + id + ".*" }

// IsJoin, IsMessage and IsLeave tell which of a connection's subjects s is.
func IsJoin(s string) bool    { return strings.HasSuffix(s, "."+verbJoin) }
func IsMessage(s string) bool { return strings.HasSuffix(s, "."+verbMessage) }
func IsLeave(s string) bool   { return strings.HasSuffix(s, "."+verbLeave) }

// ConnID is the id in conn.<id>.<verb>, empty for another subject.
func ConnID(subject string) string {
	rest, ok := strings.CutPrefix(subject, "conn.")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, ".")
	return id
}

// Address is gateway.<node>.<id>, where the connection id on node is answered.
// The address of "*" is all of a node's.
func Address(node, id string) string { return "gateway." + node + "." + id }

// AddressID is the id in gateway.<node>.<id>.
func AddressID(address string) string { return address[strings.LastIndexByte(address, '.')+1:] }

// At is <subject>.<node>: what any node of a group may answer, asked of one of them.
func At(subject, node string) string { return subject + "." + node }

// AliveOf is node.<node>.alive, a voter's beat; EdgeOf is node.<node>.edge, another
// node's.
func AliveOf(node string) string { return "node." + node + ".alive" }
func EdgeOf(node string) string  { return "node." + node + ".edge" }

// CalledOf is node.called.<run>.<ms>, where that run of a node is answered which called
// then, in milliseconds of its own time. The ms of "*" is all of a run's.
func CalledOf(run, ms string) string { return "node." + called + "." + run + "." + ms }

// Called is the inverse of CalledOf; no for another subject.
func Called(subject string) (run, ms string, yes bool) {
	rest, yes := strings.CutPrefix(subject, "node."+called+".")
	if !yes {
		return "", "", false
	}
	return strings.Cut(rest, ".")
}

// UsersOf is node.<node>.users, how many connections users have on a node.
func UsersOf(node string) string { return "node." + node + ".users" }

// NodeName makes a host name safe as one token of a subject.
func NodeName(host string) string {
	safe := strings.Map(func(r rune) rune {
		if r <= ' ' || strings.ContainsRune(".*>\u007f", r) {
			return '-'
		}
		return r
	}, host)
	if safe == "" {
		return "node"
	}
	return safe
}
