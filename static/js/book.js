// The mirror of a market's book: a snapshot, then frames of what changed. Law: a snapshot at n with
// the frames from n to m is the snapshot at m. Prices and quantities are the feed's own texts, which
// have a fixed number of decimals, so prices sort as texts.
import { mirror } from "./units.js";

export const BEFORE_ANY = -1;
const NOTHING = "0.00";

export class Book {
  constructor() {
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

  /** Both sides of an outcome's book as [[price, quantity]], best first; from NO's end if asked. */
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
