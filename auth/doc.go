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
// The answer to auth.keys.<verb> is {"error","message"} where it went wrong:
// "refused" (message says why), "unknown_key" or "unavailable". No key ever
// travels: who asks for one makes it, and sends its hash.
package auth
