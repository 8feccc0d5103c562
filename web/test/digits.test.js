import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "../static/digits.js";

const price = (text) => parse(`{"data":[{"symbol":"BTC-USD","price":${text},"timestamp":1700000000}]}`).data[0].price;

test("a price keeps its digits", () => {
  for (const digits of ["42000.10", "42000", "0.00001000", "0", "-1.50", "123456789012345678901234567890.12", "1.0e-7"]) {
    assert.equal(price(digits), digits);
  }
});

test("a price may be written with spaces and last in its object", () => {
  assert.equal(parse('{"x":1 ,\n "price" :\t7.50 }').price, "7.50");
  assert.equal(parse('{"price":7.50}').price, "7.50");
});

test("the range of a day keeps its digits too", () => {
  assert.deepEqual(parse('{"open":1.10,"high":1.20, "low" : 1.00,"last":1.10,"since":1.0}'), { open: "1.10", high: "1.20", low: "1.00", last: 1.1, since: 1 });
});

test("only a number under the name of a price is touched", () => {
  assert.deepEqual(parse('{"price":"1.50","Price":1.50,"prices":1.50,"ts":1.50}'), { price: "1.50", Price: 1.5, prices: 1.5, ts: 1.5 });
  assert.deepEqual(parse('{"price":null,"a":{"price":[1.50]}}'), { price: null, a: { price: [1.5] } });
});

test("text that only looks like a price is left alone", () => {
  for (const text of [',"price":1.50,', '{"price":1.50}', '\\{"price":1.50}', '"', "\\", 'x","price":1.50,"y":"']) {
    assert.deepEqual(parse(JSON.stringify({ message: text, [text]: 1 })), { message: text, [text]: 1 });
  }
  assert.deepEqual(parse('{"a\\"price":1.50}'), { 'a"price': 1.5 });
});

test("what is not JSON stays an error", () => {
  for (const text of ["", "{", '{"price":01}', '{"price":1.}', '{"price":.5}', '{"price":1.2.3}', '{"price":+1}', '{"price":1']) {
    assert.throws(() => parse(text), SyntaxError, text);
  }
});

test("any document parses as with JSON.parse, but for the digits", () => {
  const names = ["price", "open", "high", "low"];
  const strings = [...names, '"price":1', ',"price":2,', "\\", '\\"', "{", "}", "BTC-USD", ' {"price" : 3 }', "é\n"];
  let seed = 1;
  const random = (n) => (seed = seed * 48271 % 2147483647) % n;
  const value = (depth) => {
    switch (random(depth > 3 ? 3 : 5)) {
      case 0: return random(1000) / 8;
      case 1: return strings[random(strings.length)];
      case 2: return [null, true, false][random(3)];
      case 3: return Array.from({ length: random(4) }, () => value(depth + 1));
      default: return Object.fromEntries(Array.from({ length: random(4) }, () => [strings[random(strings.length)], value(depth + 1)]));
    }
  };
  const asText = (key, v) => (names.includes(key) && typeof v === "number" ? String(v) : v);
  for (let i = 0; i < 20_000; i++) {
    const text = JSON.stringify(value(0), null, random(3));
    assert.deepEqual(parse(text), JSON.parse(text, asText), text);
  }
});
