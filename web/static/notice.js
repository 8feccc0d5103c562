import { COMPOSITE } from "./exchanges.js";
import { list } from "./list.js";

/**
 * Which sources are not live, a sentence each:
 * "coinbase is stale: the prices of BTC-USD and ETH-USD are old."
 * Of several exchanges together a person knows no name: "There is no current price of BTC-USD."
 */
export function notice(troubles) {
  return troubles.map(({ source, state, symbols }) => {
    if (source === COMPOSITE) return `There is no current price${symbols.length > 0 ? ` of ${list(symbols)}` : ""}.`;
    const is = `${source} is ${state}`;
    if (symbols.length === 0) return `${is}.`;
    return symbols.length === 1 ? `${is}: the price of ${symbols[0]} is old.` : `${is}: the prices of ${list(symbols)} are old.`;
  }).join(" ");
}
