// The order book as a ladder. It draws at most once per animation frame, into fixed rows: only texts
// and widths change, so nothing jumps however fast the book moves.
import { distance, lots as showLots, price as showPrice } from "./format.js";
import { mirror, toLots, toPips, writeLots } from "./units.js";

const ROWS_MAX = 12;
const OPEN = new Set(["open", "partially_filled"]);

/** Follow a book in `root`; returns {update, follow, showStatus, onChoice}. */
export function startLadder(root, config, book) {
  const own = new Map(); // order id -> {outcome, side, price, lots}
  const choice = { outcome: root.dataset.outcome, asNo: root.dataset.view === "no" };
  const watchers = new Set();
  let waiting = false;

  const sides = ["ask", "bid"].map((side) => {
    const form = root.querySelector(`[data-side="${side}"]`);
    const template = root.querySelector(`[data-row-of="${side}"]`);
    const body = form.querySelector("[data-rows]");
    const known = [...body.rows];
    const best = side === "ask" ? known.reverse() : known;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("click", (event) => {
      const button = event.target.closest("[data-price]");
      if (button !== null) fill(side, button.closest("tr"));
    });
    return { side, body, template, rows: best, nobody: form.querySelector("[data-nobody]") };
  });
  const spread = root.querySelector("[data-spread]");

  /** Fill the ticket from a row: taking an ask buys, taking a bid sells. */
  function fill(side, row) {
    const detail = {
      outcome: config.binary && choice.asNo ? "NO" : choice.outcome,
      answer: !config.binary && choice.asNo ? "no" : "yes",
      side: side === "ask" ? "buy" : "sell",
      price: row.dataset.level,
      quantity: row.dataset.sum,
    };
    document.dispatchEvent(new CustomEvent("ticket:fill", { detail }));
  }

  function update() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function draw() {
    const levels = book.levels(choice.outcome, choice);
    const mine = sumOwn();
    const parts = sides.map((part) => {
      const shown = (part.side === "ask" ? levels.asks : levels.bids).slice(0, ROWS_MAX);
      return { ...part, shown, total: shown.reduce((sum, [, text]) => sum + toLots(text), 0n) };
    });
    const most = parts[0].total > parts[1].total ? parts[0].total : parts[1].total;
    for (const part of parts) drawSide(part, most, mine);
    const [ask, bid] = [levels.asks[0], levels.bids[0]];
    const gap = ask && bid ? toPips(ask[0]) - toPips(bid[0]) : null;
    write(spread, gap === null ? "" : config.words.spread.replace("{spread}", distance(gap)));
  }

  function drawSide({ side, body, template, rows, nobody, shown }, most, mine) {
    while (rows.length < shown.length) {
      const row = template.content.firstElementChild.cloneNode(true);
      rows.push(row);
      if (side === "ask") body.prepend(row);
      else body.append(row);
    }
    let total = 0n;
    rows.forEach((row, place) => {
      row.hidden = place >= shown.length;
      if (row.hidden) return;
      const [price, text, beside] = shown[place];
      total += toLots(text);
      drawRow(row, price, toLots(text), total, most, mine.get(`${side} ${price}`) ?? 0n);
      note(row.querySelector("[data-beside]"), config.words.beside[config.beside] ?? "", beside);
    });
    nobody.hidden = shown.length > 0;
  }

  function drawRow(row, price, count, total, most, ownLots) {
    row.dataset.level = price;
    row.dataset.sum = writeLots(total);
    const button = row.querySelector("[data-price]");
    write(button, showPrice(price));
    const words = config.words.row.replace("{price}", showPrice(price)).replace("{total}", showLots(total));
    if (button.getAttribute("aria-label") !== words) button.setAttribute("aria-label", words);
    write(row.querySelector("[data-quantity]"), showLots(count));
    write(row.querySelector("[data-total]"), showLots(total));
    const share = most === 0n ? 0 : (100 * Number(total)) / Number(most);
    const bar = row.querySelector("[data-bar]");
    bar.setAttribute("x", `${100 - share}%`);
    bar.setAttribute("width", `${share}%`);
    note(row.querySelector("[data-own]"), config.words.own, ownLots);
  }

  /** Say of a row how many of its contracts are special, or hide the mark. */
  function note(mark, words, count) {
    mark.hidden = count === 0n;
    const text = count === 0n ? "" : words.replace("{quantity}", showLots(count));
    write(mark.firstElementChild, text);
    mark.title = text;
  }

  /** The viewer's own quantities in this book, by "side price" as displayed. */
  function sumOwn() {
    const sums = new Map();
    for (const { outcome, side, price, lots } of own.values()) {
      if (outcome !== choice.outcome) continue;
      const isBid = (side === "buy") !== choice.asNo;
      const key = `${isBid ? "bid" : "ask"} ${choice.asNo ? mirror(price) : price}`;
      sums.set(key, (sums.get(key) ?? 0n) + lots);
    }
    return sums;
  }

  /** Show why the book is empty, by the effective status for orders. */
  function showStatus(status) {
    for (const { side, nobody } of sides) write(nobody, config.words.nobody[status][side]);
  }

  /** Apply a frame of the viewer's own account. */
  function follow(frame) {
    if (frame.type === "me_snapshot") own.clear();
    for (const order of frame.orders ?? []) {
      if (order.market !== config.market) continue;
      const lots = toLots(order.remaining);
      if (OPEN.has(order.status) && lots > 0n) own.set(order.id, { ...order.booked, lots });
      else own.delete(order.id);
    }
    update();
  }

  const form = root.querySelector("[data-book-choice]");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=view]");
    if (button === null) return;
    for (const other of form.querySelectorAll("button[name=view]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    choice.asNo = button.value === "no";
    choose();
  });
  form.addEventListener("change", (event) => {
    choice.outcome = event.target.value;
    choose();
  });

  function choose() {
    root.dataset.outcome = choice.outcome;
    root.dataset.view = choice.asNo ? "no" : "yes";
    update();
    for (const watcher of watchers) watcher(choice);
  }

  return { choice, update, follow, showStatus, onChoice: (watcher) => watchers.add(watcher) };
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
