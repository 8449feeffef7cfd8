// The viewer's own orders and position on a market's page: reloaded when the account's feed reports a
// change, valued at the market's prices, with a message about fills.
import { subscribe } from "./feed.js";
import { contracts, mark, money, noPrice, price as showPrice, signedMoney } from "./format.js";
import { isPressed, onRelease } from "./press.js";
import { toast } from "./toast.js";
import { mirror } from "./units.js";

const FETCH_MS = 150;
const VALUED_MS = 5000;
const TOASTS_MAX = 3;

const page = document.querySelector("[data-market-page]");
const slug = page.dataset.marketPage;
const isSignedIn = document.querySelector("[data-balance]") !== null;
const names = new Map(
  JSON.parse(document.getElementById("market-live")?.textContent || '{"outcomes": []}')
    .outcomes.map(({ code, name }) => [code, name]),
);
const isBinary = document.getElementById("ticket").dataset.binary === "true";

// --- fetching ------------------------------------------------------------------------------------

let timer = 0;
let valuing = 0;
let isWanted = false;

function fetchSoon() {
  isWanted = true;
  clearTimeout(timer);
  timer = setTimeout(fetchNow, FETCH_MS);
}

/** An order that is being edited or pressed is not replaced meanwhile. */
function isUsed() {
  return isPressed("#own, #own-position") || Boolean(document.activeElement?.closest("details[data-amend][open]"));
}

function fetchNow() {
  const own = document.getElementById("own");
  if (!isWanted || isUsed()) return;
  isWanted = false;
  window.htmx.trigger(own, "own-fetch");
}

document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.requestConfig.elt.id !== "own" || !isUsed()) return;
  detail.shouldSwap = false;
  isWanted = true;
});

onRelease(() => isWanted && setTimeout(fetchNow, FETCH_MS));

document.addEventListener("focusout", (event) => {
  if (isWanted && event.target.closest?.("[data-amend]")) setTimeout(fetchNow, FETCH_MS);
});
document.body.addEventListener("own-changed", () => {
  document.querySelector("details[data-amend][open]")?.removeAttribute("open");
  document.activeElement?.closest("[data-amend]") && document.activeElement.blur();
  fetchSoon();
});

/** The server computes the liquidation value: requested again a while after prices moved. */
function valueSoon() {
  if (valuing !== 0 || document.querySelector("[data-sold]") === null) return;
  valuing = setTimeout(() => {
    valuing = 0;
    const isFocused = document.activeElement?.closest("#own, #own-position"); // would be replaced
    if (!document.hidden && !isFocused) fetchSoon();
  }, VALUED_MS);
}

function isOfThisMarket(frame) {
  return ["orders", "fills", "positions"].some((name) => frame[name]?.some(({ market }) => market === slug));
}

if (isSignedIn) {
  subscribe("me", null, (frame) => {
    // A snapshot does not include events since the page was rendered or the connection was lost.
    if (frame.type === "me_snapshot" || isOfThisMarket(frame)) fetchSoon();
    const fills = (frame.fills ?? []).filter(({ market, role }) => market === slug && role === "maker");
    fills.slice(0, TOASTS_MAX).forEach(notify);
  });
}

/** As entered: the feed reports NO of one of several outcomes as a sale, so the row says what it was. */
function notify({ order_id: id, side, outcome, quantity, price }) {
  const own = document.getElementById("own");
  const isMirrored = own.querySelector(`[data-order="${CSS.escape(id)}"]`)?.dataset.answer === "no";
  const words = ((side === "buy") !== isMirrored ? own.dataset.fillBuy : own.dataset.fillSell)
    .replace("{quantity}", contracts(quantity))
    .replace("{outcome}", () => nameContract(outcome, isMirrored, own.dataset))
    .replace("{price}", isBinary && outcome === "NO" ? noPrice(price) : showPrice(isMirrored ? mirror(price) : price));
  toast(words, "success");
}

function nameContract(outcome, isMirrored, { yes, no, noOn }) {
  if (isBinary) return outcome === "NO" ? no : yes;
  const name = names.get(outcome) ?? outcome;
  return isMirrored ? noOn.replace("{outcome}", () => name) : name;
}

// --- value, in micros ----------------------------------------------------------------------------

const marks = new Map(); // outcome -> its price in half pips

/** Of the whole market: complete sets at 1 each, positions at their marks; profit above payments. */
function showWorth() {
  const panel = document.getElementById("own-position");
  const rows = [...panel.querySelectorAll("[data-position]")];
  if (rows.length === 0 || rows.some((row) => (marks.get(row.dataset.position) ?? null) === null)) return;
  let halves = 2n * BigInt(panel.dataset.setsMicros);
  for (const { dataset } of rows) halves += BigInt(dataset.lots) * BigInt(marks.get(dataset.position));
  const worth = halves > 0n ? halves / 2n : 0n;
  const profit = worth - BigInt(panel.dataset.paidMicros);
  write(panel.querySelector("[data-value]"), money(worth));
  const shown = panel.querySelector("[data-profit]");
  write(shown, signedMoney(profit));
  shown.classList.toggle("yes", profit > 0n);
  shown.classList.toggle("no", profit < 0n);
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

subscribe("ticker", slug, (frame) => {
  for (const ticker of frame.tickers) marks.set(ticker.outcome, mark(ticker));
  showWorth();
  valueSoon();
});
addEventListener("htmx:afterSettle", showWorth);
