const NAMED = 3;

/** "A", "A and B", "A, B, C and 2 more". */
export function list(names) {
  if (names.length > NAMED + 1) return `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more`;
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names.join("");
}
