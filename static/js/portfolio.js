// The portfolio: the equity curve, and figures that follow prices and the viewer's own account.
import { onState, subscribe } from "./feed.js";
import { mark, markPrice, mirrorMark, money, signedMoney } from "./format.js";
import { request } from "./http.js";
import { isPressed } from "./press.js";
import { readScale } from "./scale.js";
import { showLiveState } from "./site.js";
import { toLots, toMicros, writeMicros } from "./units.js";

const RELOAD_MS = 800;
const VALUED_MS = 15000;

function read(id) {
  const block = document.getElementById(id);
  return block === null ? null : JSON.parse(block.textContent);
}

const place = document.getElementById("curve");
const { points, now } = read("curve-data");
const micros = (text) => (text === null ? null : toMicros(text));
let chart = null;
let reloading = 0;
let valuing = 0;

/** A figure of the head. It keeps the server's text until something changes. */
function figure(name) {
  return document.querySelector(`[data-figure="${name}"]`);
}

function showSigned(element, value) {
  element.textContent = signedMoney(value);
  element.classList.toggle("yes", value > 0n);
  element.classList.toggle("no", value < 0n);
}

// --- the curve ---------------------------------------------------------------------------------

const ranges = document.querySelector("[data-ranges]");
if (points.length > 0) {
  import("./equity-chart.js").then(({ drawEquity }) => {
    chart = drawEquity(place, points);
    chart.setNow(equity);
    ranges.hidden = false;
  });
}
ranges.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button === null || chart === null) return;
  for (const other of ranges.querySelectorAll("button")) {
    other.setAttribute("aria-pressed", String(other === button));
    other.classList.toggle("btn-active", other === button);
  }
  chart.setDays(button.dataset.days === "" ? null : Number(button.dataset.days));
});

// --- prices, in half pips; money in micros -----------------------------------------------------

const marks = new Map(); // market -> Map(outcome -> mark)
let positions = new Map();
let endings = [];
let equity = micros(now);

function follow() {
  for (const end of endings) end();
  positions = new Map((read("positions-data") ?? []).map((row) => [row.market, { ...row, value: micros(row.value) }]));
  endings = [...positions.keys()].map((market) =>
    subscribe("ticker", market, (frame) => showPrices(market, frame.tickers)));
}

function showPrices(market, tickers) {
  if (!marks.has(market)) marks.set(market, new Map());
  const known = marks.get(market);
  for (const ticker of tickers) known.set(ticker.outcome, mark(ticker));
  const row = positions.get(market);
  const body = document.querySelector(`[data-position="${CSS.escape(market)}"]`);
  if (row === undefined || body === null) return;
  if (row.binary) known.set("NO", mirrorMark(known.get("YES")));
  for (const line of row.lines) showLine(body, line, known.get(line.outcome) ?? null, row.scale);
  const value = computeValue(row, known);
  if (value === null || row.value === null) return;
  body.querySelector('[data-cell="value"]').textContent = money(value);
  showSigned(body.querySelector('[data-cell="profit"]'), value - toMicros(row.paid));
  valueSoon();
  addToEquity(value - row.value);
  row.value = value;
}

/** Like the server: complete sets are worth 1, positions their marks; null if one is unknown. */
function computeValue({ sets, positions }, known) {
  let halves = 2n * toMicros(sets);
  for (const [code, quantity] of Object.entries(positions)) {
    const worth = known.get(code) ?? null;
    if (worth === null) return null;
    halves += toLots(quantity) * BigInt(worth);
  }
  return halves > 0n ? halves / 2n : 0n;
}

function showLine(body, line, worth, scaleText) {
  const row = body.querySelector(`[data-line="${CSS.escape(line.key)}"]`);
  if (row === null || worth === null) return;
  const scale = readScale(scaleText);
  // On a scalar market YES and NO stand for the same number.
  const isMirrored = scale === null ? line.mirrored : line.outcome === "NO";
  row.querySelector('[data-cell="price"]').textContent = markPrice(isMirrored ? mirrorMark(worth) : worth, scale);
}

/** Update equity, the positions' value and profits together. */
function addToEquity(change) {
  if (equity === null || change === 0n) return;
  equity += change;
  addTo("equity", change, (element, value) => { element.textContent = money(value); });
  addTo("positions", change, (element, value) => { element.textContent = money(value); });
  addTo("profit", change, showSigned);
  addTo("today", change, showSigned);
  chart?.setNow(equity);
}

function addTo(name, change, show) {
  const element = figure(name);
  const value = toMicros(element.dataset.value) + change;
  element.dataset.value = writeMicros(value);
  show(element, value);
}

// --- the account -------------------------------------------------------------------------------

function showAccount(frame) {
  if (frame.type === "me" || !isShown(frame)) reloadSoon();
}

/** Whether the page includes all of a snapshot: every fill changes cash or hold. */
function isShown({ balance }) {
  const isEqual = (name) => toMicros(figure(name).dataset.value) === toMicros(balance[name]);
  return document.getElementById("orders") === null && isEqual("cash") && isEqual("held");
}

function reloadSoon() {
  if (reloading === 0) reloading = setTimeout(reload, RELOAD_MS);
}

/** The server computes the liquidation value: requested again a while after prices moved. */
function valueSoon() {
  if (valuing !== 0) return;
  valuing = setTimeout(() => {
    valuing = 0;
    const isUsed = document.activeElement?.closest("#positions"); // which would be replaced
    if (!document.hidden && !isUsed) reload();
  }, VALUED_MS);
}

/** Positions or orders have changed: the server renders the page's dynamic parts again. */
async function reload() {
  reloading = 0;
  if (document.activeElement?.matches("main input, main select")) return;
  const answer = await request(location.href, { headers: { Accept: "text/html" } });
  if (!answer?.ok) return;
  if (isPressed("#positions, #orders")) return reloadSoon();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["figures", "positions", "orders", "curve-data"]) {
    const old = document.getElementById(id);
    const replacement = fresh.getElementById(id);
    if (old === null || replacement === null) continue;
    old.replaceWith(replacement);
    window.htmx?.process(replacement);
  }
  equity = micros(read("curve-data").now);
  chart?.setNow(equity);
  follow();
}

showLiveState();
follow();
subscribe("me", null, showAccount);

let wasLost = false;
onState(({ connected, everConnected }) => {
  if (connected && wasLost) reloadSoon();
  wasLost = everConnected && !connected;
});
