const NAMED = 3;

/**
 * Which sources are not live, a sentence each:
 * "coinbase is stale: the prices of BTC-USD and ETH-USD are old."
 */
export function notice(troubles) {
  return troubles.map(({ source, state, symbols }) => {
    const is = `${source} is ${state}`;
    if (symbols.length === 0) return `${is}.`;
    return symbols.length === 1 ? `${is}: the price of ${symbols[0]} is old.` : `${is}: the prices of ${list(symbols)} are old.`;
  }).join(" ");
}

function list(symbols) {
  if (symbols.length > NAMED + 1) return `${symbols.slice(0, NAMED).join(", ")} and ${symbols.length - NAMED} more`;
  return `${symbols.slice(0, -1).join(", ")} and ${symbols.at(-1)}`;
}
