import assert from "node:assert/strict";
import { test } from "node:test";
import { Exchanges } from "../static/exchanges.js";

const symbols = ["BTC-USD", "ETH-USD"];

function told(...messages) {
  const exchanges = new Exchanges();
  for (const message of messages) exchanges.status(message);
  return exchanges;
}

const part = (source, state, ...about) => ({ source, state, symbols: about, part_of: "composite" });
const whole = (sources, ...about) => ({ source: "composite", state: sources ? "live" : "down", sources, symbols: about });

test("who is not known is not named", () => {
  assert.equal(new Exchanges().tell(symbols, true), "");
  assert.equal(told(whole(undefined, ...symbols)).tell(symbols, false), "");
});

test("who stands behind prices", () => {
  assert.equal(told({ source: "coinbase", state: "live", symbols }).tell(symbols, true), "Prices come from coinbase.");
  assert.equal(told({ source: "coinbase", state: "live" }).tell(symbols, true), "Prices come from coinbase.");
  assert.equal(told(whole(["kraken", "coinbase"], ...symbols)).tell(symbols, true), "Prices come from coinbase and kraken.");
});

test("the cluster is no exchange", () => {
  const exchanges = told(whole(["coinbase"], ...symbols));
  for (const state of ["stale", "live"]) {
    exchanges.status({ source: "cluster", state, symbols });
    assert.equal(exchanges.tell(symbols, true), "Prices come from coinbase.");
  }
});

test("what was not said of a symbol is not said", () => {
  const exchanges = told(whole(["kraken"], "ETH-USD"));
  assert.equal(exchanges.tell(symbols, true), "Prices of ETH-USD come from kraken.");
  exchanges.status(whole(undefined, "BTC-USD"));
  assert.equal(exchanges.tell(symbols, true), "Prices come from kraken.");
  assert.equal(exchanges.tell([], true), "");
});

test("what is gone is not told of", () => {
  const exchanges = told(whole(["coinbase"], ...symbols), part("kraken", "down", ...symbols), part("binance", "down", "ETH-USD"));
  exchanges.status({ ...whole(undefined, "ETH-USD"), gone: true });
  exchanges.status({ ...part("kraken", "down", "ETH-USD"), gone: true });
  exchanges.status({ ...part("binance", "down", "ETH-USD"), gone: true });
  assert.equal(exchanges.tell(["BTC-USD"], true), "kraken is down; prices come from coinbase.");
  assert.equal(exchanges.tell(symbols, true), "kraken has no current price of BTC-USD; prices of BTC-USD come from coinbase.");
});

test("a part that is not live is told with those that are", () => {
  const exchanges = told(part("kraken", "down", ...symbols));
  assert.equal(exchanges.tell(symbols, true), "kraken is down; prices come from the other exchanges.");
  assert.equal(exchanges.tell(symbols, false), "kraken is down.");
  exchanges.status(whole(["coinbase"], ...symbols));
  assert.equal(exchanges.tell(symbols, true), "kraken is down; prices come from coinbase.");
  exchanges.status(part("kraken", "stale", "BTC-USD"));
  assert.equal(exchanges.tell(symbols, true), "kraken is stale; prices come from coinbase.");
  exchanges.status(part("kraken", "live", "BTC-USD"));
  assert.equal(exchanges.tell(symbols, true), "kraken has no current price of ETH-USD; prices come from coinbase.");
  exchanges.status(part("kraken", "live", "ETH-USD"));
  assert.equal(exchanges.tell(symbols, true), "Prices come from coinbase.");
});

test("several parts, and symbols that are not shown", () => {
  const exchanges = told(part("kraken", "down"), part("coinbase", "down", ...symbols), part("other", "stale", "X-USD"));
  assert.equal(exchanges.tell(symbols, false), "coinbase and kraken are down.");
});

test("prices in USDT are not passed off for USD", () => {
  const exchanges = told(whole(["binance", "coinbase"], "BTC-USD"), whole(["coinbase"], "ETH-USD"));
  assert.equal(exchanges.tell(symbols, true), "Prices come from binance and coinbase. Binance prices are in USDT.");
  assert.equal(told(whole(["binance"], "BTC-EUR")).tell(["BTC-EUR"], true), "Prices come from binance.");
  assert.equal(told({ source: "binance", state: "stale", symbols }).tell(symbols, false), "Prices come from binance. Binance prices are in USDT.");
});

test("a symbol is told apart where not all stand behind it", () => {
  const exchanges = told(whole(["coinbase", "kraken"], "BTC-USD"), whole(["kraken"], "ETH-USD"), whole(undefined, "SOL-USD"));
  assert.equal(exchanges.apart("BTC-USD"), "");
  assert.equal(exchanges.apart("ETH-USD"), "from kraken");
  assert.equal(exchanges.apart("SOL-USD"), "");
  exchanges.forget();
  assert.equal(exchanges.apart("ETH-USD"), "");
  assert.equal(exchanges.tell(symbols, true), "");
});
