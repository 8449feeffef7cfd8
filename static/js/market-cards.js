// Keeps market cards live (templates/trading/market_card.html): probabilities, changes within a day,
// the order of the likeliest outcomes, prices on the buttons. When a market's status changes, the
// server renders its card again. Only cards near the viewport subscribe, however many there are.
import { subscribe } from "./feed.js";
import { bestPrices, mark, noPrice, percent, points, price } from "./format.js";
import { request } from "./http.js";
import { readScale } from "./scale.js";
import { showLiveState } from "./site.js";
import { mirror } from "./units.js";

const NEAR = "600px";
const LINE_MS = 2000; // by then the server's statistics include the ticker's values
const cards = new WeakMap(); // card -> {outcomes: Map(code -> {name, dayAgo, found, ticker}), status, stop}

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) listen(target);
      else leave(target);
    }
  },
  { rootMargin: NEAR },
);

function watch(root) {
  const found = [...root.querySelectorAll("[data-market]")];
  if (root.matches?.("[data-market]")) found.push(root);
  for (const element of found) if (!cards.has(element)) begin(element);
  return found.length > 0;
}

function begin(element) {
  const outcomes = new Map();
  for (const [code, name, dayAgo, found] of JSON.parse(element.dataset.outcomes ?? "[]")) {
    outcomes.set(code, { code, name, dayAgo, found, mark: null });
  }
  const scale = readScale(element.dataset.scale);
  cards.set(element, { outcomes, scale, status: element.dataset.status, stop: null });
  observer.observe(element);
}

function listen(element) {
  const card = cards.get(element);
  if (card.stop !== null) return;
  const { market } = element.dataset;
  const ends = [subscribe("lifecycle", market, (frame) => follow(element, frame))];
  if (card.outcomes.size > 0) ends.push(subscribe("ticker", market, (frame) => take(element, frame)));
  card.stop = () => ends.forEach((end) => end());
}

function leave(element) {
  const card = cards.get(element);
  card.stop?.();
  card.stop = null;
  if (!element.isConnected) observer.unobserve(element);
}

async function fetchCard(element) {
  const answer = await request(element.dataset.url, { headers: { Accept: "text/html" } });
  if (!answer?.ok) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("article");
}

/** Another status has other badges, buttons and texts, which the server renders. */
async function follow(element, { status }) {
  const card = cards.get(element);
  if (status === card.status) return;
  card.status = status;
  const fresh = await fetchCard(element);
  if (fresh === null || !element.isConnected || fresh.dataset.status === element.dataset.status) return;
  const isFocused = element.contains(document.activeElement);
  element.replaceWith(fresh);
  leave(element);
  watch(fresh);
  if (isFocused) fresh.querySelector("h2 a, h3 a").focus({ preventScroll: true });
}

function take(element, frame) {
  const { outcomes, scale } = cards.get(element);
  for (const ticker of frame.tickers) {
    const outcome = outcomes.get(ticker.outcome);
    if (outcome === undefined) continue;
    outcome.mark = mark(ticker);
    outcome.ticker = ticker;
  }
  const list = element.querySelector("[data-top]");
  if (list === null) showBinary(element, [...outcomes.values()][0], scale);
  else showTop(list, [...outcomes.values()]);
}

function showBinary(element, yes, scale) {
  show(element, yes, scale);
  const { ask, bid } = bestPrices(yes.ticker);
  setText(element.querySelector("[data-yes-price]"), ask === null ? "" : price(ask, scale));
  setText(element.querySelector("[data-no-price]"), bid === null ? "" : noPrice(mirror(bid), scale));
}

function setText(element, text) {
  if (element !== null) element.textContent = text;
}

/** The rows are fixed; outcomes that match the search and the likeliest ones move through them. */
function showTop(list, outcomes) {
  const sorted = outcomes.sort((a, b) => b.found - a.found || (b.mark ?? 0) - (a.mark ?? 0));
  const rows = [...list.children];
  const shown = sorted.slice(0, rows.length);
  const free = rows.filter((row) => !shown.some(({ code }) => code === row.dataset.outcome));
  const placed = shown.map((outcome) => {
    const row = rows.find((one) => one.dataset.outcome === outcome.code) ?? rename(free.pop(), outcome);
    show(row, outcome);
    return row;
  });
  if (placed.some((row, index) => list.children[index] !== row)) list.append(...placed);
}

function rename(row, { code, name }) {
  const label = row.querySelector("[data-name]");
  row.dataset.outcome = code;
  label.textContent = name;
  label.title = name;
  row.querySelector("[data-spark]").replaceChildren(); // it was another outcome's line
  setTimeout(drawLine, LINE_MS, row);
  row.querySelector("[data-mark]").textContent = row.querySelector("[data-mark]").dataset.mark = "";
  return row;
}

/** Load the line of an outcome that entered the card, as only the server draws lines. */
async function drawLine(row) {
  const { outcome } = row.dataset;
  const fresh = await fetchCard(row.closest("[data-market]"));
  const line = fresh?.querySelector(`[data-outcome="${CSS.escape(outcome)}"] [data-spark]`);
  if (line && row.dataset.outcome === outcome) row.querySelector("[data-spark]").replaceWith(line);
}

function show(root, outcome, scale = null) {
  const figure = root.querySelector("[data-mark]");
  const text = percent(outcome.mark, scale);
  if (figure.textContent !== text) {
    if (figure.dataset.mark) flash(figure, outcome.mark - Number(figure.dataset.mark));
    figure.textContent = text;
    figure.dataset.mark = outcome.mark ?? "";
  }
  showChange(root.querySelector("[data-change]"), outcome, scale);
}

function showChange(element, { mark: now, dayAgo }, scale) {
  const change = now === null || dayAgo === null ? null : now - dayAgo;
  element.textContent = change === null ? "" : points(change, scale);
  const sign = change === null ? 0 : Math.sign(change);
  element.classList.toggle("yes", sign > 0);
  element.classList.toggle("no", sign < 0);
  element.classList.toggle("muted", sign === 0);
}

function flash(element, difference) {
  element.classList.remove("flash-up", "flash-down");
  void element.offsetWidth; // restarts the animation
  element.classList.add(difference < 0 ? "flash-down" : "flash-up");
}

if (watch(document)) showLiveState();
document.addEventListener("htmx:load", (event) => watch(event.detail.elt));
