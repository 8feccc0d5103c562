import assert from "node:assert/strict";
import { test } from "node:test";
import { Days } from "../static/days.js";

const day = { symbol: "A-USD", open: "1.00", high: "1.20", low: "0.90", since: 5 };

test("prices widen the day", () => {
  const days = new Days();
  days.price("A-USD", "9");
  days.take([day]);
  assert.deepEqual(days.of("A-USD"), { open: "1.00", high: "1.20", low: "0.90", since: 5 });
  days.price("A-USD", "1.2000");
  days.price("A-USD", "0.95");
  assert.deepEqual(days.of("A-USD"), { open: "1.00", high: "1.20", low: "0.90", since: 5 });
  days.price("A-USD", "1.21");
  days.price("A-USD", "0.8999");
  days.price("B-USD", "7");
  assert.deepEqual(days.of("A-USD"), { open: "1.00", high: "1.21", low: "0.8999", since: 5 });
  assert.equal(days.of("B-USD"), undefined);
  assert.equal(days.size, 1);
});

test("a new answer takes the place of the old, but not of what came while it was under way", () => {
  const days = new Days();
  days.take([day]);
  days.price("A-USD", "5");
  days.asking();
  days.price("A-USD", "1.30");
  days.price("A-USD", "1.25");
  days.price("A-USD", "0.80");
  days.price("B-USD", "2");
  days.take([day]);
  assert.deepEqual(days.of("A-USD"), { open: "1.00", high: "1.30", low: "0.80", since: 5 });
  days.price("A-USD", "1.40");
  days.asking();
  days.take([day]);
  assert.equal(days.of("A-USD").high, "1.20");
  days.take([]);
  assert.equal(days.of("A-USD"), undefined);
});
