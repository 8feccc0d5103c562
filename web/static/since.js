const DAY = 86_400;
const NEAR = 600; // seconds; the server counts its 24 hours in steps, and a person does not mind

/** Tells what began at a time, in unix seconds: "24 h", "since 14:02", or what is longer ago "since Mon 14:02". */
export function since(start, now) {
  const age = now - start;
  if (Math.abs(age - DAY) <= NEAR) return "24 h";
  const day = age > DAY ? { weekday: "short" } : {};
  return `since ${new Date(start * 1_000).toLocaleTimeString([], { ...day, hour: "2-digit", minute: "2-digit" })}`;
}

/** Whether two times need not be told apart. */
export function isNear(a, b) {
  return Math.abs(a - b) <= NEAR;
}
