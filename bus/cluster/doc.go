// Package cluster knows which nodes there are, by the beats that they publish, and
// whether this one is in touch with the majority of those that keep the cluster's
// streams together: the voters. The others serve, and have no say.
//
//	node.<name>.alive       Node, every 500 ms, and at once when its state changes     voter → nodes
//	node.<name>.edge        the same, but every 2 s                                    other node → nodes that hear all
//	node.list               empty, answered with []Seen                                anyone → a node that hears all
//	node.roll               empty, answered by each node with a beat                   anyone → nodes
//	node.call               empty, with a reply, answered there with Node              node → voters
//	node.called.<run>.<ms>  that answer: of which run of a node it was asked, and when voter → node
//
// A node that ends says so: its last beat has the state "gone".
//
// A node to which the others without a vote are nothing hears the voters alone
// (Config.VotersOnly). Where each of hundreds heard all, that would be most of what one does
// that has few clients.
//
// # In touch
//
// A node is in touch while each of more than half of the voters, itself among them if it
// is one, was heard within the last five seconds. How many voters there are is the most
// that this node's own store says, or a beat does. A node without another is in touch
// while the bus brings it its own beats.
//
// Beats keep a voter heard, but what was silent for five seconds is heard again only by
// an answer to a call, which counts from when the call was made. For a beat may be old
// when it comes: a process that was stopped for a minute, by SIGSTOP say, finds those of
// this minute waiting for it, from nodes that it may not reach any more.
//
// # Clocks
//
// Time is measured by this process's own monotonic clock alone; what another node's clock
// shows matters nowhere. While this process is stopped, nobody counts as silent: to be
// gone, a node must have been listened to in vain.
package cluster
