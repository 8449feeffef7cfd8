// The latest trades, newest first; the feed's snapshot replaces them, its frames add to them.
import { clock, contracts, price } from "./format.js";

const ROWS_MAX = 50;

/** Follow a market's trades in `root`; returns the handler of the channel's frames. */
export function startTape(root, config) {
  const body = root.querySelector("[data-rows]");
  const template = root.querySelector("[data-row]");
  const table = root.querySelector("[data-tape-table]");
  const nobody = root.querySelector("[data-nobody]");
  const names = new Map(config.outcomes.map(({ code, name }) => [code, name]));

  function build(trade) {
    const row = template.content.firstElementChild.cloneNode(true);
    const set = (name, text) => { row.querySelector(`[data-${name}]`).textContent = text; };
    set("time", clock(trade.created_at));
    if (!config.binary) set("outcome", names.get(trade.outcome) ?? trade.outcome);
    set("side", config.words[trade.taker_side]);
    set("price", price(trade.price));
    set("quantity", contracts(trade.quantity));
    row.querySelector("[data-side]").classList.toggle("no", trade.taker_side === "sell");
    row.querySelector("[data-side]").classList.toggle("yes", trade.taker_side === "buy");
    return row;
  }

  return (frame) => {
    const rows = frame.trades.slice(-ROWS_MAX).map(build).reverse();
    if (frame.type === "trades_snapshot") {
      body.replaceChildren(...rows);
    } else {
      frame.trades.slice(-ROWS_MAX).reverse().forEach(({ taker_side: side }, place) => {
        rows[place].classList.add(side === "buy" ? "flash-up" : "flash-down");
      });
      body.prepend(...rows);
      while (body.rows.length > ROWS_MAX) body.lastElementChild.remove();
    }
    table.hidden = body.rows.length === 0;
    nobody.hidden = body.rows.length > 0;
  };
}
