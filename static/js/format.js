// Formats numbers like the server's templates, in the page's language. Inputs are the API's plain
// texts or integer units (units.js), formatted digit by digit: none becomes a binary float.
import { POINT } from "./numbers.js";
import { findDistance, findNumber, readScale } from "./scale.js";
import { PAYOUT_PIPS, parse, toPips, write, writeShort } from "./units.js";

const page = document.documentElement;
const language = page.lang || "en";
const whole = new Intl.NumberFormat(language);
const percents = new Intl.NumberFormat(language, { style: "percent" });
const moneyPattern = page.dataset.money ?? "{amount}";
const HALF_PIPS = 2 * PAYOUT_PIPS;
const PIPS_PER_PERCENT = PAYOUT_PIPS / 100;
const HALF_PIPS_PER_PERCENT = 2 * PIPS_PER_PERCENT;
const WIDE_PIPS = 1000;
const CENT_MICROS = 10000n;
const MINUS = "−";

export const NOTHING = "–";
/** That of the page's only market, if it is a scalar one: its prices and chances are numbers. */
export const pageScale = readScale(document.querySelector("[data-page-scale]")?.dataset.pageScale);

/** A plain text with the language's signs: "1250.5" as 1,250.5. */
function show(text) {
  const [digits, fraction] = text.replace("-", "").split(".");
  const shown = whole.format(BigInt(digits)) + (fraction === undefined ? "" : POINT + fraction);
  return text.startsWith("-") ? MINUS + shown : shown;
}

/** "0.6200" as 0.62; a finer price keeps its third and fourth decimal. */
export function price(text, scale = pageScale) {
  return text === null ? NOTHING : pricePips(toPips(text), scale);
}

/** The same for pips. */
export function pricePips(pips, scale = pageScale) {
  if (pips === null) return NOTHING;
  return show(scale === null ? writeShort(BigInt(pips), 4, 2) : findNumber(scale, 2 * pips));
}

/** A price of NO: the number is the one at which YES pays the rest. */
export function noPrice(text, scale = pageScale) {
  return text === null ? NOTHING : noPricePips(toPips(text), scale);
}

export function noPricePips(pips, scale = pageScale) {
  return pricePips(scale === null || pips === null ? pips : PAYOUT_PIPS - pips, scale);
}

/** A difference between prices. */
export function distance(pips) {
  return pageScale === null ? pricePips(pips) : show(findDistance(pageScale, 2 * pips));
}

/** A mark of half pips as a price, half a pip up. */
export function markPrice(halfPips, scale = pageScale) {
  if (scale !== null) return show(findNumber(scale, halfPips));
  return pricePips(Math.floor((halfPips + 1) / 2));
}

/** "1250.00" as 1,250; half contracts keep their decimals. */
export function contracts(text) {
  return text === null ? NOTHING : lots(parse(text, 2));
}

/** The same for lots. */
export function lots(count) {
  return show(writeShort(count, 2));
}

/** Micros as 5.50, rounded to cents as the server does: a half to the even one. */
export function amount(micros) {
  const size = micros < 0n ? -micros : micros;
  const [cents, rest] = [size / CENT_MICROS, size % CENT_MICROS];
  const isUp = 2n * rest > CENT_MICROS || (2n * rest === CENT_MICROS && cents % 2n === 1n);
  return (micros < 0n ? MINUS : "") + show(write(cents + (isUp ? 1n : 0n), 2));
}

/** The same with the currency symbol at its place. */
export function money(micros) {
  if (micros === null) return NOTHING;
  const text = amount(micros < 0n ? -micros : micros);
  return (micros < 0n ? MINUS : "") + moneyPattern.replace("{amount}", () => text);
}

/** The same with a plus sign for gains. */
export function signedMoney(micros) {
  return (micros !== null && micros > 0n ? "+" : "") + money(micros);
}

/** A price of half pips as a probability: 62%, never 0% or 100%; or as a number with its unit. */
export function percent(halfPips, scale = pageScale) {
  if (halfPips === null) return NOTHING;
  if (scale !== null) {
    const number = show(findNumber(scale, halfPips));
    return scale.unit === "" ? number : `${number}\u00a0${scale.unit}`;
  }
  if (halfPips < HALF_PIPS_PER_PERCENT) return `<${showPercent(1)}`;
  if (halfPips > 99 * HALF_PIPS_PER_PERCENT) return `>${showPercent(99)}`;
  return showPercent(Math.floor((halfPips + HALF_PIPS_PER_PERCENT / 2) / HALF_PIPS_PER_PERCENT));
}

/** A whole number of per cent. */
export function showPercent(count) {
  return percents.format(count / 100); // formatted without decimals, so it stays exact
}

/** A change of a price, in half pips, in percentage points: +3, −12, 0; or of the number. */
export function points(change, scale = pageScale) {
  if (change === null) return NOTHING;
  const pips = Math.floor(change / 2);
  if (scale !== null) {
    const number = findDistance(scale, 2 * pips);
    return /[1-9]/.test(number) ? `${pips > 0 ? "+" : MINUS}${show(number)}` : "0";
  }
  const size = Math.floor((Math.abs(pips) + PIPS_PER_PERCENT / 2) / PIPS_PER_PERCENT);
  return size === 0 ? "0" : `${pips > 0 ? "+" : MINUS}${size}`;
}

const known = (...prices) => prices.filter((price) => price !== null && price !== undefined).sort();

/** The best prices of a ticker for a taker: in the book, implied by other books, or a maker's. */
export function bestPrices(ticker) {
  return {
    bid: known(ticker.bid, ticker.implied_bid, ticker.maker_bid).at(-1) ?? null,
    ask: known(ticker.ask, ticker.implied_ask, ticker.maker_ask)[0] ?? null,
  };
}

/**
 * Like the server's mark, in half pips: the midpoint of a narrow spread of the book and a maker,
 * else the last price.
 */
export function mark(ticker) {
  const bid = known(ticker.bid, ticker.maker_bid).at(-1) ?? null;
  const ask = known(ticker.ask, ticker.maker_ask)[0] ?? null;
  const { last } = ticker;
  if (bid !== null && ask !== null && toPips(ask) - toPips(bid) <= WIDE_PIPS) {
    return toPips(bid) + toPips(ask);
  }
  return last === null ? null : 2 * toPips(last);
}

/** NO's mark of YES's, and back. */
export const mirrorMark = (halfPips) => (halfPips === null ? null : HALF_PIPS - halfPips);

/** The time of day of an ISO text, in the viewer's zone. */
export function clock(iso) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(language, options).format(new Date(iso));
}
