// Package handler understands what clients say. It holds connections that
// gateways announce on the bus, and decides about each of their messages; it owns
// no socket, and a gateway knows no message.
//
// # What a client may send
//
// Text frames, each a JSON object. Other fields than these are not looked at, and
// names are exact. The id is any JSON string or number and is echoed as it came.
//
//	{"type":"ping","id":1}                                                        are you there?
//	{"type":"subscribe","symbols":["BTC-USD","ETH-*"],"interval_ms":100,"id":2}   adds symbols, replaces the interval: either or both
//	{"type":"unsubscribe","symbols":["ETH-*"],"id":3}                             takes symbols away; ["*"]: all
//	{"type":"refresh","token":"…","id":4}                                         a newer token of the same user
//
// A symbol is BASE-QUOTE, and in a pattern * stands for any run of characters;
// lower case will do. interval_ms is the least time between two updates, from 0
// (every tick) to 60000.
//
// # What a handler answers
//
//	{"type":"welcome","user_id":"user:demo","conn_id":"…","symbols":["*"],"interval_ms":0,"expires_in":3600}   first; with "resumed" if the client gave since
//	{"type":"pong","id":1,"ts":1700000000123456}                                  our time, unix microseconds
//	{"type":"subscribed","id":2,"symbols":["BTC-USD","ETH-*"],"interval_ms":100}  what is now held; a snapshot follows
//	{"type":"unsubscribed","id":3,"symbols":["BTC-USD"]}                          what is now held, an exclusion marked !
//	{"type":"refreshed","id":4,"expires_in":3600}                                 seconds until the new token ends
//	{"type":"error","code":"…","message":"…","id":5}                              nothing was changed
//
// The code of an error is one of
//
//	bad_json       no JSON object, or an id of another kind (which is not echoed)
//	unknown_type   type is missing or none of the above
//	bad_symbol     symbols missing, malformed, unknown or too many; the message names them
//	bad_interval   interval_ms is not an integer from 0 to 60000
//	forbidden      symbols that the token may not see, whether they exist or not
//	bad_token      token invalid, of another user, or not ending later than the present one
//
// A request is taken whole or not at all. A pattern means "of those, all that I
// may see", now or later: it is never forbidden or unknown. Answers come in the
// order of the messages.
//
// # On the bus
//
//	conn.<id>.join     bus.Join → bus.Answer: the welcome, and the rules as Subscribe. Symbols that are no symbols: none, and an error
//	                   Rejoin → {}: the client notices nothing, and the rules stay
//	                   policy does not allow "connect" on its route → Close 4501
//	conn.<id>.message  the client's frame → bus.Answer: the payload, and what it changes
//	conn.<id>.leave    bus.Leave: the connection is forgotten
//
// Every worker of every [Handler] is a member of one queue group on conn.*.join;
// the one that gets a join subscribes to conn.<id>.* and only then answers, so
// that it is there for whatever the gateway sends thereupon. It holds the
// connection until its leave, or until the same connection is announced anew. A
// message that makes it panic closes that connection, with 1011, and no other.
package handler
