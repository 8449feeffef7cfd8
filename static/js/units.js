// Exact numbers, like kernel/units.py: prices in pips (1/10,000), quantities in lots (1/100), money in
// micros (1/1,000,000). A plain text from the API or the markup is converted to an integer digit by
// digit, never through a binary float; only drawings use floats.
export const PAYOUT_PIPS = 10000;
export const LOT_DECIMALS = 2;
export const MICRO_DECIMALS = 6;
const PIP_DECIMALS = 4;
const PLAIN = /^(-?)(\d+)(?:\.(\d+))?$/;

/** "12.5" with 2 decimals is 1250n; null for an invalid number. */
export function parse(text, decimals) {
  const [, sign, whole, fraction = ""] = PLAIN.exec(text) ?? [];
  if (whole === undefined || fraction.length > decimals) return null;
  const units = BigInt(whole + fraction.padEnd(decimals, "0"));
  return sign ? -units : units;
}

/** 1250n with 2 decimals is "12.50". */
export function write(units, decimals) {
  const digits = String(units < 0n ? -units : units).padStart(decimals + 1, "0");
  const text = decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
  return units < 0n ? `-${text}` : text;
}

/** The same without trailing zeros, but with at least so many decimals. */
export function writeShort(units, decimals, least = 0) {
  let [whole, fraction] = write(units, decimals).split(".");
  while (fraction.length > least && fraction.endsWith("0")) fraction = fraction.slice(0, -1);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** Division rounded down, also below 0. */
export function divide(dividend, divisor) {
  const quotient = dividend / divisor;
  return dividend % divisor !== 0n && dividend < 0n !== divisor < 0n ? quotient - 1n : quotient;
}

/** A price is a small integer, so an ordinary number holds it exactly. */
export const toPips = (text) => Number(parse(text, PIP_DECIMALS));
export const writePips = (pips) => write(BigInt(pips), PIP_DECIMALS);
/** NO's price of YES's, and back. */
export const mirror = (price) => writePips(PAYOUT_PIPS - toPips(price));
export const writePrice = (pips) => writeShort(BigInt(pips), PIP_DECIMALS, 2);
export const toLots = (text) => parse(text, LOT_DECIMALS);
export const writeLots = (lots) => write(lots, LOT_DECIMALS);
export const toMicros = (text) => parse(text, MICRO_DECIMALS);
export const writeMicros = (micros) => write(micros, MICRO_DECIMALS);
