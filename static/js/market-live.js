// A market's live page: one book, one tape, one chart, and figures that follow the feed. Every stream
// starts with a snapshot, and restarts after a lost connection, so displayed data is replaced as a
// whole.
import { Book } from "./book.js";
import { startChart } from "./chart.js";
import { startDepth } from "./depth.js";
import { onState, subscribe } from "./feed.js";
import { request } from "./http.js";
import { startLadder } from "./ladder.js";
import { showLiveState } from "./site.js";
import { startTape } from "./tape.js";
import { startTicker } from "./ticker.js";
import { toast } from "./toast.js";

const config = JSON.parse(document.getElementById("market-live").textContent);
const { market } = config;
const find = (name) => document.querySelector(`[data-${name}]`);

showLiveState();
const chart = find("chart") && startChart(find("chart"), config);
const showTicker = startTicker(config, (code, mark) => chart?.take(code, mark));
subscribe("ticker", market, showTicker);
subscribe("lifecycle", market, showStatus);
const ladder = find("ladder") && startBook(find("ladder"));
const showTrades = find("tape") && startTape(find("tape"), config);
if (showTrades || chart) {
  subscribe("trades", market, (frame) => {
    showTrades?.(frame);
    chart?.onTrades(frame);
  });
}

const HIDDEN = new Set(["draft", "proposed"]); // without chart, book and comments
const MAKER_READ_MS = 300;
let wasLost = false;
let isStopped = null; // on the whole exchange; null until known
onState(({ connected, exchange, everConnected }) => {
  if (connected && wasLost) chart?.reload();
  wasLost = everConnected && !connected;
  if (exchange === "") return;
  const { trading_halted: isHalted, maintenance } = JSON.parse(exchange);
  isStopped = isHalted || maintenance;
  showBookStatus();
});

function showBookStatus() {
  if (isStopped === null) return; // as the server rendered it
  const open = config.is_over ? "closed" : isStopped ? "halted" : "open";
  ladder?.showStatus(config.status === "open" ? open : config.status);
}

function startBook(root) {
  const book = new Book({
    outcomes: config.outcomes.map(({ code }) => code),
    matchesAcross: config.beside === "implied",
  });
  const ladder = startLadder(root, config, book);
  const depth = startDepth(root.querySelector("[data-depth]"), config, book, ladder.choice);
  subscribe("book", market, (frame) => {
    if (!book.apply(frame)) return;
    ladder.update();
    depth.update();
    if (config.beside === "maker") readMaker();
  });

  /** The maker's levels are no part of the feed: they are read when something has traded. */
  let reading = null;
  function readMaker() {
    reading ??= setTimeout(async () => {
      const answer = await request(config.book_url);
      reading = null;
      if (!answer?.ok) return;
      book.setMaker((await answer.json()).books);
      ladder.update();
      depth.update();
    }, MAKER_READ_MS);
  }

  if (config.signed_in) subscribe("me", null, ladder.follow);
  ladder.onChoice(depth.update);
  startShapes(root, depth);
  return ladder;
}

function startShapes(root, depth) {
  const shapes = root.querySelector("[data-book-shapes]");
  shapes.hidden = false;
  shapes.addEventListener("click", (event) => {
    const button = event.target.closest("[data-shape]");
    if (button === null) return;
    for (const other of shapes.children) other.setAttribute("aria-pressed", String(other === button));
    for (const part of root.querySelectorAll("[data-shape-of]")) {
      part.hidden = part.dataset.shapeOf !== button.dataset.shape;
    }
    depth.update();
  });
}

/** Announce a change of status; the ticket reloads itself and other affected parts (ticket.js). */
function showStatus(frame) {
  if (frame.status === config.status) return;
  if (HIDDEN.has(config.status) && !HIDDEN.has(frame.status)) return location.reload();
  config.status = frame.status;
  const [text, notice] = [config.words.changes[frame.status], find("status-notice")];
  toast(text);
  if (notice !== null) {
    notice.textContent = text;
    notice.hidden = false;
  }
  chart?.reload();
  showBookStatus();
}
