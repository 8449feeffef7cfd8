// The order ticket: previews it on input, fills it from the book and from links, keeps its prices
// live, and on a phone opens it as a sheet. Without this script it is an ordinary form.
import "./countdown.js";
import { onState, subscribe } from "./feed.js";
import { bestPrices, noPrice, noPricePips, pageScale, price as showPrice, pricePips } from "./format.js";
import { readNumber, writeNumber } from "./numbers.js";
import { isPressed, onRelease } from "./press.js";
import { findPips, writeNumberAt } from "./scale.js";
import { MICRO_DECIMALS, PAYOUT_PIPS, mirror, parse, toPips, writePrice, writeShort } from "./units.js";

const WRITING_MS = 200;
const MOVING_MS = 1500;
const REMEMBERED_MS = 1500; // longer than a server caches the state of the exchange
const MICROS_PER_PIP = 100;
const NUMBERS = new Set(["amount", "price", "trigger_price", "trail", "take_profit", "stop_loss"]);

const page = document.querySelector("[data-market-page]");
const slug = page.dataset.marketPage;
const place = document.getElementById("ticket-place");
const sheet = document.getElementById("ticket-sheet");
const wide = matchMedia("(min-width: 64rem)");

const find = (selector) => document.querySelector(`#ticket ${selector}`);
const form = () => document.getElementById("ticket-form");
const isBinary = () => find("[name=answer]") === null;
const checked = (name) => find(`[name=${name}]:checked`)?.value;

// --- preview -------------------------------------------------------------------------------------

let timer = 0;

/**
 * Request a preview soon. One caused by input is read out by screen readers; one caused by the market
 * is not, and it keeps the errors beside their fields until the next input.
 */
function preview(pause, isWritten) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const summary = document.getElementById("ticket-summary");
    if (summary === null) return;
    if (!isWritten && find("[id^=ticket-error-]:not([hidden])") !== null) return;
    summary.setAttribute("aria-live", isWritten ? "polite" : "off");
    window.htmx.trigger(summary, "ticket-preview");
  }, pause);
}

/** Ignore a preview for a ticket that has been replaced; one that would move a pressed button is late. */
function dropLate(event) {
  const isInTheWay = isPressed("#ticket-submit");
  if (!event.target.isConnected || isInTheWay) event.preventDefault();
  isAwaited ||= isInTheWay;
}

let isAwaited = false;
onRelease(() => {
  if (isAwaited) preview(WRITING_MS, true); // unless the order is sent by then
  isAwaited = false;
});

addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "ticket-form") clearTimeout(timer);
});
addEventListener("htmx:afterSettle", (event) => {
  const { id } = event.detail.elt;
  if (id === "ticket-summary") {
    showFaults();
    if (sheet.open) form().querySelector("button:focus")?.scrollIntoView({ block: "nearest" });
  }
  if (id === "ticket-form" || id === "ticket") {
    begin();
    preview(0, false);
  }
  if (id === "ticket") setTimeout(compareState, REMEMBERED_MS);
});

/** A field is marked as invalid while it has an error text. */
function showFaults() {
  for (const field of form().querySelectorAll("[aria-describedby]")) {
    const isWrong = field.getAttribute("aria-describedby").split(" ").some(
      (id) => id.startsWith("ticket-error-") && document.getElementById(id)?.hidden === false,
    );
    if (isWrong) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
  showMost();
}

function showMost() {
  const most = findMost();
  const button = find("[data-most]");
  button.hidden = !most;
  button.value = most;
}

function findMost() {
  const known = find("[data-most-contracts]");
  if (known === null) return "";
  return checked("measure") === "credits" ? known.dataset.mostCredits : known.dataset.mostContracts;
}

// --- prices and texts of the form ----------------------------------------------------------------

function begin() {
  find("[data-ticket-close]").hidden = !sheet.open;
  if (form() === null) return;
  document.getElementById("ticket-summary").addEventListener("htmx:beforeSwap", dropLate);
  for (const element of form().querySelectorAll("[data-step], [data-quick]")) element.hidden = false;
  showMost();
  show();
}

/** The two answers with this side's prices, and the button's label. */
function show() {
  if (form() === null) return;
  const side = checked("side");
  const chosen = find("#ticket-outcome")?.selectedOptions[0];
  for (const label of form().querySelectorAll(".ticket-answer")) {
    const input = label.querySelector("input");
    if (chosen) setQuote(input, chosen.dataset, input.value === "no");
    const pips = side === "sell" ? input.dataset.bid : input.dataset.ask;
    const showPips = input.value === "NO" ? noPricePips : pricePips;
    label.querySelector("[data-answer-price]").textContent = showPips(pips ? Number(pips) : null);
  }
  const button = document.getElementById("ticket-submit");
  if (button === null) return;
  const answer = find(".ticket-answer input:checked").nextElementSibling.textContent;
  let outcome = chosen ? chosen.textContent : answer;
  if (chosen && checked("answer") === "no") outcome = button.dataset.noOn.replace("{outcome}", outcome);
  const words = side === "sell" ? button.dataset.sell : button.dataset.buy;
  button.querySelector("[data-submit-text]").textContent = words.replace("{outcome}", outcome);
}

function setQuote(element, { bid, ask }, isNo) {
  element.dataset.bid = isNo ? mirrorPips(ask) : bid;
  element.dataset.ask = isNo ? mirrorPips(bid) : ask;
}

/** Pips from the markup, "" if there is no price. */
const mirrorPips = (pips) => (pips === "" ? "" : PAYOUT_PIPS - pips);
const quotePips = (text) => (text === null ? "" : toPips(text));

function follow(ticker) {
  const { outcome } = ticker;
  const { bid, ask } = bestPrices(ticker);
  const quote = { bid: quotePips(bid), ask: quotePips(ask) };
  for (const element of document.querySelectorAll(`[data-quote="${CSS.escape(outcome)}"]`)) {
    write(element.querySelector("[data-quote-yes]"), ask === null ? "" : showPrice(ask));
    write(element.querySelector("[data-quote-no]"), bid === null ? "" : noPrice(mirror(bid)));
  }
  if (form() === null) return;
  const option = [...form().querySelectorAll("option[data-bid]")].find(({ value }) => value === outcome);
  if (option) setQuote(option, quote, false);
  else for (const input of form().querySelectorAll("[name=outcome][data-bid]")) setQuote(input, quote, input.value === "NO");
  show();
  if (find("#ticket-amount").value && !document.hidden) preview(MOVING_MS, false);
}

function write(element, text) {
  if (element !== null && element.textContent !== text) element.textContent = text;
}

subscribe("ticker", slug, (frame) => frame.tickers.forEach(follow));

// --- input ---------------------------------------------------------------------------------------

document.addEventListener("input", (event) => {
  if (event.target.form?.id !== "ticket-form") return;
  if (event.target.name === "side" && event.target.value === "sell") choose("measure", "contracts");
  show();
  preview(WRITING_MS, true);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#ticket button[type=button]");
  if (!button) return;
  if ("step" in button.dataset) step(Number(button.dataset.step));
  else if ("add" in button.dataset) add(button.dataset.add);
  else if ("most" in button.dataset) setField(find("#ticket-amount"), findMost());
  else if ("ticketClose" in button.dataset) sheet.close();
});

document.addEventListener("keydown", (event) => {
  const ticks = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (ticks === undefined || event.target.id !== "ticket-price") return;
  event.preventDefault();
  step(ticks);
});

/** One tick up or down, on the grid of ticks. */
function step(ticks) {
  const field = find("#ticket-price");
  const tick = Number(field.dataset.tick);
  const input = find(".ticket-answer input:checked");
  const known = checked("side") === "sell" ? input.dataset.bid : input.dataset.ask;
  const written = parse(readNumber(field.value) ?? "", MICRO_DECIMALS); // also a price off the tick
  if (field.value && written === null) return preview(0, true); // the server reports that it is no number
  const isNo = pageScale !== null && input.value === "NO"; // its numbers rise while its price falls
  const quote = isNo ? mirrorPips(known) : known;
  const from = field.value ? toYesPips(readNumber(field.value)) : Number(quote || PAYOUT_PIPS / 2);
  const next = (Math.round(from / tick) + (field.value ? ticks : 0)) * tick;
  setField(field, writeField(Math.min(Math.max(next, tick), PAYOUT_PIPS - tick)));
}

/** What is typed as a price: credits, or the number of a scalar market. */
const toYesPips = (text) =>
  (pageScale === null ? Number(parse(text, MICRO_DECIMALS)) / MICROS_PER_PIP : findPips(pageScale, text));
const writeField = (pips) => (pageScale === null ? writePrice(pips) : writeNumberAt(pageScale, pips));

/** Add exactly; an invalid number stays, and the server reports it. */
function add(more) {
  const field = find("#ticket-amount");
  const written = parse(readNumber(field.value || "0") ?? "", MICRO_DECIMALS);
  if (written === null) return preview(0, true);
  setField(field, writeShort(written + parse(more, MICRO_DECIMALS), MICRO_DECIMALS));
}

/** Write a plain number in the page's language. */
function setField(field, text) {
  field.value = writeNumber(text);
  preview(WRITING_MS, true);
}

function choose(name, value) {
  const input = [...form().querySelectorAll(`[name=${name}]`)].find((one) => one.value === value);
  if (input) input.checked = true;
}

/** Write values, with numbers as plain texts, by field name; true if there is an editable ticket. */
function fill(values) {
  if (form() === null) return false;
  for (const [name, value] of Object.entries(values)) {
    const field = form().elements[name];
    if (!field) continue;
    if (field instanceof RadioNodeList) choose(name, value);
    else if (field.type === "checkbox") field.checked = value === "on";
    else field.value = NUMBERS.has(name) ? writeNumber(value) : value;
  }
  show();
  preview(0, true);
  return true;
}

document.addEventListener("ticket:fill", ({ detail }) => {
  const answer = isBinary() ? {} : { answer: detail.answer ?? "yes" };
  const isShown = fill({
    outcome: detail.outcome, ...answer, side: detail.side, type: "limit",
    price: writeField(toPips(detail.price)), reduce_only: "",
  });
  if (isShown) open(find("#ticket-amount"));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-ticket-link]");
  if (!link || form() === null) return;
  event.preventDefault();
  fill({ answer: "yes", reduce_only: "", ...Object.fromEntries(new URL(link.href).searchParams) });
  openFilled();
});

// --- the sheet -----------------------------------------------------------------------------------

/** Scroll to the next step of the ticket: once an amount is given, the summary. */
function openFilled() {
  const amount = find("#ticket-amount");
  open(amount?.value ? form().querySelector("button:not([type])") : amount);
}

function open(field) {
  if (wide.matches) {
    document.getElementById("ticket").scrollIntoView({ block: "nearest" });
    field?.focus({ preventScroll: true });
    return;
  }
  if (!sheet.open) {
    sheet.append(document.getElementById("ticket"));
    find("[data-ticket-close]").hidden = false;
    sheet.showModal();
  }
  field?.focus();
}

sheet.addEventListener("close", () => {
  find("[data-ticket-close]").hidden = true;
  place.append(document.getElementById("ticket"));
  if (location.hash === "#ticket") history.replaceState(null, "", location.pathname);
});
sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
wide.addEventListener("change", () => sheet.close());
document.body.addEventListener("own-changed", () => sheet.close()); // the result is shown behind it

// --- replacing the whole ticket ------------------------------------------------------------------

let written = location.search;

/** The form's contents as a link's query; the last ones while there is no form. */
function writeDown() {
  if (form() === null) return written;
  const fields = new URLSearchParams(new FormData(form()));
  fields.delete("csrfmiddlewaretoken");
  for (const name of NUMBERS) {
    if (fields.has(name)) fields.set(name, readNumber(fields.get(name)) ?? fields.get(name));
  }
  return `?${fields}`;
}

/** Trading has stopped or started: reload ticket, its bar, header, position and rules. */
function renew() {
  clearTimeout(timer);
  written = writeDown();
  window.htmx.ajax("GET", page.dataset.url + written, {
    target: "#ticket", swap: "outerHTML", select: "#ticket", headers: { "HX-Request-Of": "ticket" },
    source: "#ticket", selectOOB: "#market-header,#own-position,#about,#ticket-bar",
  });
}

subscribe("lifecycle", slug, (frame) => {
  if (frame.status === page.dataset.status) return;
  page.dataset.status = frame.status;
  renew();
});

// The ticket records the state for which it was rendered, so that changes before this page was
// subscribed count too, and so does a ticket rendered from a server's cached state.
let state = null;

function compareState() {
  if (!state?.connected) return;
  const { dataset } = document.getElementById("ticket");
  const { engine, exchange } = state;
  const { trading_halted: isHalted, maintenance } = exchange === "" ? {} : JSON.parse(exchange);
  const stopped = exchange === "" ? dataset.stopped : String(isHalted || maintenance);
  if (dataset.engine === engine && dataset.stopped === stopped) return;
  Object.assign(dataset, { engine, stopped });
  renew();
}

onState((now) => {
  state = now;
  compareState();
});

begin();
preview(0, false);
// A link from another page: "Yes 0.60" on a card, "Close" in the portfolio, back from log-in. While the
// page loads, the browser itself scrolls to the fragment and takes the focus away.
if (location.hash === "#ticket") addEventListener("load", openFilled);
