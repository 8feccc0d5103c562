import assert from "node:assert/strict";
import { test } from "node:test";
import { Book } from "../static/book.js";

const tick = (...prices) => ({ data: prices.map(([symbol, price]) => ({ symbol, price, timestamp: 1 })) });
const snapshot = (...prices) => ({ ...tick(...prices), snapshot: true });
const stateOf = (book, symbol) => book.state(book.quotes.get(symbol));

test("the first price seen stays the one that changes are counted from", () => {
  const book = new Book();
  book.ticker(snapshot(["BTC-USD", "1.10"]), 0);
  book.ticker(tick(["BTC-USD", "1.20"]), 10);
  assert.equal(book.quotes.get("BTC-USD").price, "1.20");
  assert.equal(book.quotes.get("BTC-USD").opened, "1.10");
});

test("a snapshot drops what it does not name, a tick does not", () => {
  const book = new Book();
  book.ticker(snapshot(["A-USD", "1"], ["B-USD", "2"]), 0);
  book.ticker(tick(["A-USD", "3"]), 10);
  assert.deepEqual([...book.quotes.keys()], ["A-USD", "B-USD"]);
  book.ticker(snapshot(["B-USD", "4"]), 20);
  assert.deepEqual([...book.quotes.keys()], ["B-USD"]);
  book.ticker(snapshot(["A-USD", "5"], ["B-USD", "4"]), 30);
  assert.equal(book.quotes.get("A-USD").opened, "1");
});

test("a status is about the symbols it names", () => {
  const book = new Book();
  book.ticker(snapshot(["A-USD", "1"], ["B-USD", "2"]), 0);
  book.status({ source: "x", state: "stale", symbols: ["A-USD"] }, 100);
  assert.equal(stateOf(book, "A-USD"), "stale");
  assert.equal(stateOf(book, "B-USD"), "live");
  assert.deepEqual(book.troubles(), [{ source: "x", state: "stale", symbols: ["A-USD"] }]);
  assert.ok(book.believed);
  book.status({ source: "x", state: "live", symbols: ["A-USD"] }, 200);
  assert.equal(stateOf(book, "A-USD"), "live");
  assert.deepEqual(book.troubles(), []);
});

test("what is gone is dropped, and no trouble", () => {
  const book = new Book();
  book.ticker(snapshot(["A-USD", "1"], ["B-USD", "2"]), 0);
  book.status({ source: "x", state: "stale", symbols: ["A-USD", "B-USD"] }, 100);
  book.status({ source: "y", state: "down", symbols: ["B-USD"], part_of: "x", gone: true }, 200);
  assert.ok(book.quotes.has("B-USD"));
  book.status({ source: "x", state: "down", symbols: ["A-USD"], gone: true }, 200);
  assert.deepEqual([...book.quotes.keys()], ["B-USD"]);
  assert.deepEqual(book.troubles(), [{ source: "x", state: "stale", symbols: ["B-USD"] }]);
  book.ticker(tick(["A-USD", "3"]), 300);
  assert.equal(stateOf(book, "A-USD"), "live");
});

test("a source that is down is not believed before its first price either", () => {
  const book = new Book();
  assert.ok(book.believed);
  book.status({ source: "x", state: "down", symbols: ["A-USD"] }, 100);
  assert.ok(!book.believed);
});

test("a status without symbols is about all of the source's, and down outweighs stale", () => {
  const book = new Book();
  book.ticker(snapshot(["A-USD", "1"]), 0);
  book.status({ source: "x", state: "stale", symbols: ["A-USD"] }, 100);
  book.status({ source: "y", state: "down", symbols: [] }, 100);
  assert.equal(stateOf(book, "A-USD"), "down");
  assert.ok(!book.believed);
  book.status({ source: "y", state: "live" }, 200);
  assert.equal(stateOf(book, "A-USD"), "stale");
});

test("a late tick or a snapshot does not make a stale price live; a tick from elsewhere does", () => {
  const book = new Book();
  book.ticker(tick(["A-USD", "1"]), 0);
  book.status({ source: "x", state: "stale", symbols: ["A-USD"] }, 100);
  book.ticker(tick(["A-USD", "2"]), 900);
  assert.equal(stateOf(book, "A-USD"), "stale");
  book.ticker(snapshot(["A-USD", "2"]), 5_000);
  assert.equal(stateOf(book, "A-USD"), "stale");
  book.ticker(tick(["A-USD", "3"]), 6_000);
  assert.equal(stateOf(book, "A-USD"), "live");
  assert.deepEqual(book.troubles(), [{ source: "x", state: "stale", symbols: [] }]);
});

test("a part of a source tells nothing of prices", () => {
  const book = new Book();
  book.ticker(snapshot(["A-USD", "1"]), 0);
  book.status({ source: "kraken", state: "down", symbols: ["A-USD"], part_of: "composite" }, 100);
  assert.equal(stateOf(book, "A-USD"), "live");
  assert.deepEqual(book.troubles(), []);
  book.status({ source: "composite", state: "stale", symbols: ["A-USD"] }, 200);
  assert.equal(stateOf(book, "A-USD"), "stale");
});

test("ticks widen the days", () => {
  const book = new Book();
  book.days.take([{ symbol: "A-USD", open: "1", high: "2", low: "1", since: 1 }]);
  book.ticker(tick(["A-USD", "3"]), 0);
  assert.equal(book.days.of("A-USD").high, "3");
  book.clear();
  assert.equal(book.days.of("A-USD"), undefined);
});
