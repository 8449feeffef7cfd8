// The mirror of a market's book: a snapshot, then frames of what changed. Law: a snapshot at n with
// the frames from n to m is the snapshot at m. Prices and quantities are the feed's own texts, which
// have a fixed number of decimals, so prices sort as texts.
import { PAYOUT_PIPS, mirror, toLots, toPips, writeLots, writePips } from "./units.js";

export const BEFORE_ANY = -1;
const NOTHING = "0.00";
const IMPLIED_MAX = 10;

export class Book {
  /** `outcomes` are the codes of all books, where those are matched with one another. */
  constructor({ outcomes = [], matchesAcross = false } = {}) {
    this.outcomes = outcomes;
    this.matchesAcross = matchesAcross;
    this.seq = BEFORE_ANY;
    this.sides = new Map(); // outcome -> {bids: Map(price -> quantity), asks: ...}
  }

  /** Take a frame of the channel `book`. False: something before it is missing. */
  apply(frame) {
    if (frame.type === "book_snapshot") this.sides.clear();
    else if (frame.prev_seq !== this.seq) return frame.seq <= this.seq; // old news are no gap
    for (const { outcome, bids, asks } of frame.books) {
      if (!this.sides.has(outcome)) this.sides.set(outcome, { bids: new Map(), asks: new Map() });
      const side = this.sides.get(outcome);
      set(side.bids, bids);
      set(side.asks, asks);
    }
    this.seq = frame.seq;
    return true;
  }

  /**
   * Both sides of an outcome as [[price, quantity, of which implied]], best first; from NO's end if
   * asked. Implied is what the books of all other outcomes offer at once (trading/wire/levels.py).
   */
  levels(outcome, { asNo = false } = {}) {
    const { bids, asks } = this.sides.get(outcome) ?? { bids: new Map(), asks: new Map() };
    const found = { bids: merge(bids, this.implied(outcome, "asks")), asks: merge(asks, this.implied(outcome, "bids")) };
    if (asNo) return { bids: sort(mirrored(found.asks), -1), asks: sort(mirrored(found.bids), 1) };
    return { bids: sort(found.bids, -1), asks: sort(found.asks, 1) };
  }

  /** What an outcome gets from one side of all other books: Map(price -> lots). */
  implied(outcome, name) {
    const levels = new Map();
    if (!this.matchesAcross) return levels;
    const others = this.outcomes.filter((other) => other !== outcome);
    const best = name === "bids" ? -1 : 1;
    const left = others.map((other) =>
      sort(this.sides.get(other)?.[name] ?? [], best)
        .map(([price, total]) => [toPips(price), toLots(total)])
        .reverse(),
    );
    while (levels.size < IMPLIED_MAX) {
      const fronts = left.filter((side) => side.length > 0).map((side) => side.at(-1));
      const pips = fronts.reduce((rest, [price]) => rest - price, PAYOUT_PIPS);
      const isWhole = name === "bids" || fronts.length === others.length;
      if (pips <= 0 || pips >= PAYOUT_PIPS || !isWhole) break;
      const lots = fronts.reduce((least, [, count]) => (count < least ? count : least), fronts[0][1]);
      levels.set(writePips(pips), lots);
      for (const front of fronts) front[1] -= lots;
      for (const side of left) if (side.at(-1)?.[1] === 0n) side.pop();
    }
    return levels;
  }
}

/** Quantities of a side with what is implied: [[price, quantity, of which implied]]. */
function merge(side, implied) {
  const rows = [...side].map(([price, total]) => [price, total, 0n]);
  for (const [price, lots] of implied) {
    const row = rows.find(([known]) => known === price);
    if (row === undefined) rows.push([price, writeLots(lots), lots]);
    else row.splice(1, 2, writeLots(toLots(row[1]) + lots), lots);
  }
  return rows;
}

function set(side, levels) {
  for (const [price, total] of levels) {
    if (total === NOTHING) side.delete(price);
    else side.set(price, total);
  }
}

function sort(side, direction) {
  return [...side].sort(([one], [other]) => (one < other ? -direction : direction));
}

function mirrored(side) {
  return [...side].map(([price, ...rest]) => [mirror(price), ...rest]);
}
