// Package auth decides who may see what: API keys, the tokens they are exchanged
// for, the policies behind the tokens, and what of all this was revoked.
//
// # The life of a key
//
// A [Key] ("tk_" and 32 letters and digits) is made by the command line, shown
// once, and kept only as its SHA-256 in a [Store]. A gateway that is given a key
// sends that hash to auth.exchange, where the [Service] of a node with a database
// answers with the user behind it. The gateway's [Verifier] signs a [Token], and
// any node checks it from memory: by its signature, its times, and what was
// revoked. A token never outlives its key. [Policies] make a [Scope] of it: what
// this one token may do.
//
//	key ─SHA-256─► auth.exchange ─► Store ─► bus.ExchangeResult ─► Verifier.Sign ─► token
//	token ─► Verifier.Verify ─► Token ─► Policies.Scope ─► Scope.Allows, Scope.Sees
//
// # The token
//
// A JWT with HMAC-SHA256; whoever has the key can make and check one.
//
//	header  {"alg":"HS256","typ":"JWT","kid":"…"}   kid: the first 8 bytes of the key's SHA-256, hexadecimal; may be absent
//	iss     "tickerd"
//	sub     "user:demo"
//	jti     its id, by which it can be revoked
//	iat     when it was made; absent: counted as older than any revocation of its user
//	exp     when it ends, at most 30 days (MaxTokenTTL) after iat, or after now where there is no iat
//	nbf     respected where it is there; so is aud, which must then name "tickerd"
//	        (iat and nbf may be 5 s ahead of our clock; exp is exact)
//	role    "user"
//	policies ["user_policy"]   none: those of the role
//	key     the id of its API key
//	symbols ["BTC-*"]          the patterns that the key is limited to; none: no limit
//
// # Policies
//
// A policy allows or denies actions on resources, both patterns in which * is any
// run of characters. The actions are "connect", whose resource is a route
// ("/ws/ticker"), and "read", whose resource is a symbol. A role is the group of
// policies that list it. Any deny wins, then any allow; what no policy speaks of
// is refused.
//
// # On the bus
//
//	auth.exchange      {"key_hash":"…"}    → bus.ExchangeResult
//	auth.revocations   {} or the last element of the page before → []bus.Revocation, at most 5000; a failure is {"error":"unavailable"}
//	auth.revoked       bus.Revocation      heard, stored, and published for a key that the command line revokes
//	auth.keys.create   {"key_hash","prefix","user_id","role","symbols","expires_in"}   → {"key":Info}
//	auth.keys.list     {} or {"after":Info}, the last of the page before   → {"keys":[Info]}, at most 1000
//	auth.keys.revoke   {"id":"…"}          → {}
//
// In a cluster a node's own gateway and command line ask auth.exchange.<node> and
// auth.keys.<verb>.<node> first, to which that node listens while it is current.
//
// The answer to auth.keys.<verb> is {"error","message"} where it went wrong:
// "refused" (message says why), "unknown_key", "unavailable" or, in a cluster,
// "unreachable". No key ever travels: who asks for one makes it, and sends its hash.
//
// # In a cluster
//
// Nodes that share a PostgreSQL database need no more than that. Where each has an SQLite
// file of its own, what is to count on all of them stands in the journal: the stream
// AUTH, which several nodes keep. Each node applies it in order to its file, noting how
// far it is, and which stream it was, in the same transaction.
//
//	auth.journal.mark       {"id"}                                    nothing; it shows that a majority takes what is put
//	auth.journal.key        {"id","key":{"id","hash","prefix",…}}     a key that was made; with "revoked_at", ended too
//	auth.journal.revoked    {"id","revocation":bus.Revocation}        what was revoked; of a token or user it is kept for as long as it counts
//	auth.journal.withdrawn  {"id","withdrawn":{"id","key_id"}}        the event of that id does not count, wherever it stands
//	auth.changed            empty                                     there is something new; nodes look four times a second besides
//	auth.used               {"<key id>":1700000000,…}                 when keys were exchanged, so that every node lists the latest use
//
// A key is made or revoked in two steps. First a mark is put, and tried again through an
// election. Without its acknowledgement nothing has changed, and the answer is
// "unreachable". Behind it stands the change, of which the node has noted before that it
// is under way; it is tried again, under the same id, until it is acknowledged, and
// answered once the answering node has applied it. Where that does not come about within
// changeTimeout, or the process ends, the change is withdrawn: should it turn out to be
// kept after all, it is undone as soon as a majority is there.
//
// What is written to a file while no node of the cluster runs on it, by the command line
// or by a node alone, is remembered there as to be told, and told when one does. A stream
// that was lost is made anew, and filled from what every file has.
//
// A [Service] answers only while it is current: in touch with the majority, and caught up
// with a mark that was put since. (Without touch it tells the command line that the cluster
// is unreachable.) An election is no loss of touch. A [Verifier] is current
// when it has loaded all revocations since the node was last in touch; its own node's
// Service lets it know of each that it applies.
//
// Every node has a demo key of its own, which is good on all that admit demo keys: give all
// nodes the same auth.demo. A node without a database cannot tell demo keys from others.
// There, too, a revocation of which the message was lost counts only after 15 s.
package auth
