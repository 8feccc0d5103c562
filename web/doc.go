// Package web is the page: one HTML file, its modules and its style sheet, compiled into the binary and served as they
// are. There is no build step; what is in static/ is what the browser gets.
//
// The page signs in with an API key, holds it for the tab, exchanges it for a token and shows what the WebSocket sends.
// It speaks the same public protocol as every other client and needs nothing else from the server; one without a history
// shows less, and nothing wrong.
//
//	static/index.html   the markup, and templates for what is repeated
//	static/app.js       the wiring: who hears of what
//	static/feed.js      the connection's life: token, socket, silence, reconnecting
//	static/book.js      the newest price of each symbol, and whether it may be believed
//	static/past.js      what the server kept: the figures of 24 hours, and candles of what is in sight
//	static/board.js     the table: what is visible, once a frame
//	static/charts.js    the charts of the rows in sight
//	test/               the modules' tests, for node --test; not embedded
//
// A browser test finds its way by #key-input, #sign-in, #connection-state[data-state] (signed-out, connecting, live,
// stale, draining, reconnecting), and tr[data-symbol="BTC-USD"] with [data-field="price"] inside. The row's own
// data-state is live, stale, down or waiting.
package web
