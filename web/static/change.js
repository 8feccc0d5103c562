const DECIMAL = /^-?\d+(?:\.(\d+))?$/;

/**
 * How far a price has moved, worked out in whole units of the last decimal so that no digit is invented.
 * change("42000.1", "42012.35") is {sign: 1, amount: "+12.25", percent: "+0.03 %"}.
 * Null where a text is not a plain decimal.
 */
export function change(from, to) {
  const a = DECIMAL.exec(from);
  const b = DECIMAL.exec(to);
  if (!a || !b) return null;
  const places = Math.max(a[1]?.length ?? 0, b[1]?.length ?? 0);
  const start = units(from, a[1], places);
  const moved = units(to, b[1], places) - start;
  const sign = moved > 0n ? 1 : moved < 0n ? -1 : 0;
  return {
    sign,
    amount: SIGNS[sign + 1] + decimal(moved < 0n ? -moved : moved, places),
    percent: start === 0n ? "" : SIGNS[sign + 1] + (Math.abs(Number(moved) / Number(start)) * 100).toFixed(2) + "\u202f%",
  };
}

/** Negative, zero or positive as decimal a is less than, equal to or greater than b. Floats tell most apart, and never wrongly. */
export function compare(a, b) {
  return Number(a) - Number(b) || (change(b, a)?.sign ?? 0);
}

const SIGNS = ["\u2212", "\u00b1", "+"]; // a true minus sign is as wide as the plus

function units(text, fraction = "", places) {
  return BigInt(text.replace(".", "") + "0".repeat(places - fraction.length));
}

function decimal(value, places) {
  if (places === 0) return value.toString();
  const digits = value.toString().padStart(places + 1, "0");
  return digits.slice(0, -places) + "." + digits.slice(-places);
}
