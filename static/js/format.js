// Numbers as the server's templates show them, in the page's language. Amounts come from the API as
// exact decimal strings; they are made numbers here only to be drawn, never to be sent or summed.
const language = document.documentElement.lang || "en";
const formats = new Map();

function format(value, least, most) {
  const key = `${least} ${most}`;
  if (!formats.has(key)) {
    const options = { minimumFractionDigits: least, maximumFractionDigits: most };
    formats.set(key, new Intl.NumberFormat(language, options));
  }
  return formats.get(key).format(value);
}

export const NOTHING = "–";

/** "0.6200" as 0.62; a finer price keeps its third and fourth decimal. */
export function price(text) {
  return text === null ? NOTHING : format(Number(text), 2, 4);
}

/** "1250.00" as 1,250; half contracts keep their decimals. */
export function contracts(text) {
  return text === null ? NOTHING : format(Number(text), 0, 2);
}

/** "5.500000" as 5.50, rounded to cents. */
export function amount(text) {
  return text === null ? NOTHING : format(Number(text), 2, 2);
}

/** A price as a probability: 62%, never 0% or 100%. */
export function percent(value) {
  if (value === null) return NOTHING;
  const hundredths = Math.round(Number(value) * 1e6) / 1e4; // 0.565 * 100 is a little less than 56.5
  if (hundredths < 1) return "<1%";
  if (hundredths > 99) return ">99%";
  return `${Math.floor(hundredths + 0.5)}%`;
}

/** A change of a price in percentage points: +3, −12, 0. */
export function points(change) {
  if (change === null) return NOTHING;
  const whole = Math.floor(Math.abs(change) * 100 + 0.5 + 1e-9);
  return whole === 0 ? "0" : `${change > 0 ? "+" : "−"}${whole}`;
}

/** Like the server's mark: the middle while bid and ask are at most 10 cents apart, else the last. */
export function mark({ bid, ask, last }) {
  if (bid !== null && ask !== null && Number(ask) - Number(bid) <= 0.1 + 1e-9) {
    return (Number(bid) + Number(ask)) / 2;
  }
  return last === null ? null : Number(last);
}

/** The time of day of an ISO text, in the viewer's zone. */
export function clock(iso) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(language, options).format(new Date(iso));
}
