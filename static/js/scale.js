// The range of a scalar market, whose prices are shown and typed as numbers of it, exactly as
// markets/scalars.py does: a price of YES is the number at which YES pays just that price.
import { MICRO_DECIMALS, PAYOUT_PIPS, divide, parse, write, writeShort } from "./units.js";

const HALF_PIPS = BigInt(2 * PAYOUT_PIPS);

/** Of the markup's "low high decimals unit", in millionths; null without one. */
export function readScale(text) {
  if (!text) return null;
  const [low, high, decimals, ...unit] = text.split(" ");
  return { low: BigInt(low), span: BigInt(high) - BigInt(low), decimals: Number(decimals), unit: unit.join(" ") };
}

/** The number, as a plain text, of YES's price in half pips: rounded half up. */
export function findNumber({ low, span, decimals }, halfPips) {
  return round(low * HALF_PIPS + span * BigInt(halfPips), decimals);
}

/** By how much the number changes with the price, without a sign. */
export function findDistance({ span, decimals }, halfPips) {
  return round(span * BigInt(Math.abs(halfPips)), decimals);
}

/** Of a number times 20,000 millionths. */
function round(scaled, decimals) {
  const unit = 10n ** BigInt(MICRO_DECIMALS - decimals) * HALF_PIPS;
  const units = divide(2n * scaled + unit, 2n * unit);
  return decimals === 0 ? String(units) : write(units, decimals);
}

/** YES's price at a number, in pips; a fraction where the number is off the grid. */
export function findPips({ low, span }, text) {
  const number = parse(text, MICRO_DECIMALS);
  return number === null ? null : (Number(number - low) * PAYOUT_PIPS) / Number(span);
}

/** A number as it is typed: without trailing zeros. */
export const writeNumberAt = (scale, pips) => {
  const text = findNumber(scale, 2 * pips);
  return text.includes(".") ? writeShort(parse(text, MICRO_DECIMALS), MICRO_DECIMALS) : text;
};
