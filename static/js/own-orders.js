// The viewer's own things on a market's page: fetched anew when the account's feed says that they
// have changed, worth what the market's prices say, and a word about what others have filled.
import { subscribe } from "./feed.js";
import { contracts, mark, mirrorMark, money, price as showPrice, signedMoney } from "./format.js";
import { toast } from "./toast.js";
import { divide } from "./units.js";

const FETCH_MS = 150;
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
let isWanted = false;

function fetchSoon() {
  isWanted = true;
  clearTimeout(timer);
  timer = setTimeout(fetchNow, FETCH_MS);
}

/** An order that is being changed stays until that is done. */
function fetchNow() {
  const own = document.getElementById("own");
  const isWriting = own.querySelector("details[data-amend][open]")?.contains(document.activeElement);
  if (!isWanted || isWriting) return;
  isWanted = false;
  window.htmx.trigger(own, "own-fetch");
}

document.addEventListener("focusout", (event) => {
  if (isWanted && event.target.closest?.("[data-amend]")) setTimeout(fetchNow, FETCH_MS);
});
document.body.addEventListener("own-changed", () => {
  document.querySelector("#own details[data-amend][open]")?.removeAttribute("open");
  document.activeElement?.closest("[data-amend]") && document.activeElement.blur();
  fetchSoon();
});

function isOfThisMarket(frame) {
  return ["orders", "fills", "positions"].some((name) => frame[name]?.some(({ market }) => market === slug));
}

if (isSignedIn) {
  subscribe("me", null, (frame) => {
    // A snapshot does not tell what happened between the page, or a lost connection, and itself.
    if (frame.type === "me_snapshot" || isOfThisMarket(frame)) fetchSoon();
    const fills = (frame.fills ?? []).filter(({ market, role }) => market === slug && role === "maker");
    fills.slice(0, TOASTS_MAX).forEach(tell);
  });
}

function tell({ side, outcome, quantity, price }) {
  const { fillBuy, fillSell } = document.getElementById("own").dataset;
  const words = (side === "buy" ? fillBuy : fillSell)
    .replace("{quantity}", contracts(quantity))
    .replace("{outcome}", isBinary ? outcome : names.get(outcome) ?? outcome)
    .replace("{price}", showPrice(price));
  toast(words, "success");
}

// --- worth, in whole micros ----------------------------------------------------------------------

const marks = new Map(); // outcome -> its price in half pips

function showWorth() {
  for (const row of document.querySelectorAll("[data-position]")) {
    const worth = marks.get(row.dataset.position);
    if (worth === undefined || worth === null) continue;
    const half = row.dataset.isNo === "true" ? mirrorMark(worth) : worth;
    write(row.querySelector("[data-value]"), money(BigInt(row.dataset.lots) * BigInt(half) / 2n));
    const profit = divide(BigInt(row.dataset.netLots) * BigInt(worth), 2n) - BigInt(row.dataset.costMicros);
    const shown = row.querySelector("[data-profit]");
    write(shown, signedMoney(profit));
    shown.className = profit > 0n ? "yes" : profit < 0n ? "no" : "";
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

subscribe("ticker", slug, (frame) => {
  for (const ticker of frame.tickers) marks.set(ticker.outcome, mark(ticker));
  showWorth();
});
addEventListener("htmx:afterSettle", showWorth);
