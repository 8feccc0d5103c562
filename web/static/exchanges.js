import { list } from "./list.js";

export const COMPOSITE = "composite"; // a source that is several exchanges together
const CLUSTER = "cluster"; // says of all prices whether they are fresh, and stands behind none
const IN_USDT = "binance"; // has no market in USD: takes USDT for it

/**
 * Which exchanges stand behind the prices, as far as the server has said. One that is only a part of a price's source
 * may be down while the price is live: that is information, and no reason to doubt the price.
 */
export class Exchanges {
  #behind = new Map(); // symbol or "*" → names, in order
  #all = []; // the names of all that stand behind any price
  #parts = new Map(); // name → Map of symbol or "*" → state, where it is not live

  /** Takes in a status message. Without symbols it is about the source as a whole. */
  status({ source, state, symbols, sources, part_of: whole, gone }) {
    if (source === CLUSTER) return;
    const about = symbols?.length ? symbols : ["*"];
    if (whole) {
      this.#note(source, gone ? "live" : state, about);
      return;
    }
    const names = sources ?? (source === COMPOSITE ? [] : [source]);
    if (about.includes("*")) this.#behind.clear();
    for (const symbol of about) {
      if (gone) this.#behind.delete(symbol);
      else this.#behind.set(symbol, names.toSorted());
    }
    this.#all = [...new Set([...this.#behind.values()].flat())].sort();
  }

  #note(part, state, about) {
    let states = this.#parts.get(part);
    if (!states || about.includes("*")) this.#parts.set(part, states = new Map());
    for (const symbol of about) {
      if (state === "live") states.delete(symbol);
      else states.set(symbol, state);
    }
    if (states.size === 0) this.#parts.delete(part);
  }

  /** Who stands behind the price of a symbol, where that is not all who stand behind any: "from coinbase and kraken". */
  apart(symbol) {
    const names = this.#of(symbol);
    return names.length === 0 || names.length === this.#all.length ? "" : `from ${list(names)}`;
  }

  #of(symbol) {
    return this.#behind.get(symbol) ?? this.#behind.get("*") ?? [];
  }

  /**
   * What is known of them for these symbols, in words:
   * "kraken is down; prices come from binance and coinbase. Binance prices are in USDT." `live`: any of the prices is.
   */
  tell(symbols, live) {
    const lacking = lacks(this.#parts, symbols);
    const origins = this.#origins(symbols) || (lacking.length > 0 && live ? "prices come from the other exchanges" : "");
    const said = origins ? [...lacking, origins] : lacking;
    if (said.length === 0) return "";
    const inUSDT = symbols.some((s) => s.endsWith("-USD") && this.#of(s).includes(IN_USDT));
    return `${lacking.length > 0 ? said.join("; ") : capital(said[0])}.${inUSDT ? ` ${capital(IN_USDT)} prices are in USDT.` : ""}`;
  }

  /** "prices come from kraken", or where the server has not spoken of all symbols "prices of ETH-USD come from kraken". */
  #origins(symbols) {
    const named = symbols.filter((s) => this.#of(s).length > 0);
    if (named.length === 0) return "";
    const whose = symbols.every((s) => this.#behind.has(s) || this.#behind.has("*")) ? "" : ` of ${list(named)}`;
    return `prices${whose} come from ${list(this.#all)}`;
  }

  /** After `welcome` what was said before no longer counts. */
  forget() {
    this.#behind.clear();
    this.#parts.clear();
    this.#all = [];
  }
}

/** What parts lack of these symbols: ["coinbase and kraken are down", "binance has no current price of SOL-USD"]. */
function lacks(parts, symbols) {
  const whole = { down: [], stale: [] };
  const partly = [];
  for (const [part, states] of parts) {
    const found = symbols.map((s) => states.get(s) ?? states.get("*"));
    const without = symbols.filter((_, i) => found[i]);
    if (without.length === 0) continue;
    if (without.length < symbols.length) partly.push(`${part} has no current price of ${list(without)}`);
    else whole[found.every((state) => state === "down") ? "down" : "stale"].push(part);
  }
  const named = Object.entries(whole).filter(([, names]) => names.length > 0);
  return [...named.map(([state, names]) => `${list(names.sort())} ${names.length > 1 ? "are" : "is"} ${state}`), ...partly];
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}
