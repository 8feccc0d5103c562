import { Board } from "./board.js";
import { Book } from "./book.js";
import { Charts } from "./charts.js";
import { Exchanges } from "./exchanges.js";
import { Feed } from "./feed.js";
import { Meter } from "./meter.js";
import { notice } from "./notice.js";
import { ask, Past } from "./past.js";
import { forgetKey, savedKey, saveKey } from "./session.js";
import { SignIn } from "./signin.js";
import { since } from "./since.js";
import { showSnippets } from "./snippet.js";
import { Strip } from "./strip.js";

const REPORT = 500; // how often delay, rate and countdown are written
const SILENCE = 5_000; // without a price for so long, the page says so
const FILTERABLE = 9; // so many symbols are worth a search field

const part = (id) => document.getElementById(id);
const now = () => performance.now();

const book = new Book();
const exchanges = new Exchanges();
const charts = new Charts(part("board"));
const meter = new Meter();
const strip = new Strip(now);
const feed = new Feed(`${location.origin.replace(/^http/, "ws")}/ws/ticker`, {
  state: stateChanged,
  welcome: welcomed,
  ticker: tickerCame,
  status: statusCame,
});
const past = new Past((path) => ask(path, feed.token), {
  asking: () => book.days.asking(),
  stats: statsCame,
  candles: (symbol, candles) => charts.fill(symbol, candles, serverSeconds() ?? Date.now() / 1_000),
});
const board = new Board(part("board"), part("row"), { book, exchanges, charts }, { now, serverNow: serverSeconds });
const signIn = new SignIn((key, grant) => {
  saveKey(key);
  feed.start(key, grant);
  part("connection-state").focus();
});

function serverSeconds() {
  const { offset } = feed.clock;
  return offset === null ? null : (now() + offset) / 1_000;
}

function welcomed() {
  book.forgetStatus();
  exchanges.forget();
  past.start();
  meter.reset(now());
  board.restate();
}

function tickerCame(message, receivedAt) {
  const { offset } = feed.clock;
  const delay = offset === null ? null : receivedAt + offset - message.ts / 1_000;
  if (!message.snapshot) meter.message(receivedAt, delay);
  board.changed(book.ticker(message, receivedAt));
}

function statusCame(message) {
  book.status(message, now());
  exchanges.status(message);
  board.changed([]); // some may have gone
  board.restate();
  report();
}

function statsCame(data) {
  book.days.take(data);
  board.restate();
}

function stateChanged(state) {
  const out = state.name === "signed-out";
  part("sign-in-view").hidden = !out;
  part("live-view").hidden = out;
  part("account").hidden = out;
  board.live = state.name === "live" || state.name === "draining";
  if (out || state.name === "reconnecting") past.stop();
  if (out) {
    forgetKey();
    book.clear();
    board.clear();
    signIn.explain(state.reason);
    signIn.focus();
  }
  report();
}

/** Brings everything but the table up to date. */
function report() {
  const { state } = feed;
  strip.state = state.name === "live" ? shownWhileLive() : state;
  const live = state.name === "live" || state.name === "draining";
  strip.figures = { delay: live ? meter.delay(now()) : null, rate: live ? meter.rate(now()) : 0, user: feed.user };

  say("notice", notice(book.troubles()));
  say("origins", exchanges.tell([...book.quotes.keys()], book.believed));
}

/** An element without text is not there. */
function say(id, text) {
  if (part(id).textContent !== text) part(id).textContent = text;
  part(id).hidden = text === "";
}

/** The page does not say Live while every price on it is old, nor just Live while no price comes. */
function shownWhileLive() {
  if (!book.believed) return { name: "stale", reason: "Connected, but no price is current." };
  const silence = meter.silence(now());
  return { name: "live", reason: silence < SILENCE ? "" : `No new price for ${Math.floor(silence / 1_000)} s.` };
}

board.onCount = (shown, all) => {
  part("waiting").hidden = all > 0;
  part("board").hidden = all === 0;
  part("search").hidden = all < FILTERABLE && part("filter").value === "";
  part("count").textContent = shown === all ? `${all} symbols` : `${shown} of ${all} symbols`;
};
board.onStart = (start) => say("since", since(start, serverSeconds() ?? Date.now() / 1_000));
charts.onSpan = (name) => say("span", name);
charts.onSight = (symbols) => past.want(symbols);

part("filter").addEventListener("input", (event) => board.filter(event.target.value));
part("pace").addEventListener("change", (event) => feed.pace(Number(event.target.value)));
part("retry").addEventListener("click", () => feed.nudge());
part("sign-out").addEventListener("click", () => feed.stop());
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || part("search").hidden || event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  part("filter").focus();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  feed.nudge();
  past.nudge();
});
for (const event of ["online", "offline", "pageshow"]) addEventListener(event, () => feed.nudge());
setInterval(report, REPORT);

showSnippets(part("connect"));
const key = savedKey();
if (key) feed.start(key);
else stateChanged(feed.state);
