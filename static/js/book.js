// A replica of a market's book: a snapshot, then frames of changes. Invariant: a snapshot at n with
// the frames from n to m equals the snapshot at m. Prices and quantities are the feed's own texts,
// which have a fixed number of decimals, so prices sort as texts.
import { mirror } from "./units.js";

export const BEFORE_ANY = -1;
const NOTHING = "0.00";

export class Book {
  constructor() {
    this.seq = BEFORE_ANY;
    this.sides = new Map(); // outcome -> {bids: Map(price -> quantity), asks: ...}
  }

  /** Apply a frame of the channel `book`. False: an earlier one is missing. */
  apply(frame) {
    if (frame.type === "book_snapshot") this.sides.clear();
    else if (frame.prev_seq !== this.seq) return frame.seq <= this.seq; // an old frame is no gap
    for (const { outcome, bids, asks } of frame.books) {
      if (!this.sides.has(outcome)) this.sides.set(outcome, { bids: new Map(), asks: new Map() });
      const side = this.sides.get(outcome);
      set(side.bids, bids);
      set(side.asks, asks);
    }
    this.seq = frame.seq;
    return true;
  }

  /** Both sides of an outcome's book as [[price, quantity]], best first; from NO's side on request. */
  levels(outcome, { asNo = false } = {}) {
    const { bids, asks } = this.sides.get(outcome) ?? { bids: new Map(), asks: new Map() };
    if (asNo) return { bids: sort(mirrored(asks), -1), asks: sort(mirrored(bids), 1) };
    return { bids: sort(bids, -1), asks: sort(asks, 1) };
  }
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
  return [...side].map(([price, total]) => [mirror(price), total]);
}
