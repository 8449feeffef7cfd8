// Parses numbers typed in the page's language to plain texts and formats them back, by the same rules
// as the server (accounts/numbers.py), which validates what it is sent.
const language = document.documentElement.lang || "en";
export const POINT = new Intl.NumberFormat(language).formatToParts(1.5)
  .find(({ type }) => type === "decimal").value;
const SEPARATOR = POINT === "," ? "." : ",";
const SPACES = " \u00a0\u2009\u202f";
const GROUPED = new RegExp(`^([1-9]\\d{0,2}(?:([${SEPARATOR}${SPACES}])\\d{3})(?:\\2\\d{3})*)(?:[${POINT}](\\d+))?$`);
const UNGROUPED = /^(\d*)[.,](\d+)$/;
const WHOLE = /^\d+$/;

/** The plain text of a number; null if invalid or ambiguous ("1.234" on a German page). */
export function readNumber(text) {
  const typed = text.trim().replace("−", "-");
  const [sign, digits] = typed.startsWith("-") ? ["-", typed.slice(1)] : ["", typed];
  if (WHOLE.test(digits)) return sign + digits;
  const grouped = GROUPED.exec(digits);
  if (grouped !== null) {
    const [, whole, mark, fraction] = grouped;
    const parts = whole.split(mark);
    if (mark === SEPARATOR && fraction === undefined && parts.length === 2) return null;
    return sign + parts.join("") + (fraction === undefined ? "" : `.${fraction}`);
  }
  const ungrouped = UNGROUPED.exec(digits);
  return ungrouped === null ? null : `${sign}${ungrouped[1] || "0"}.${ungrouped[2]}`;
}

/** A plain text in the notation of form fields: 0,55 on a German page. */
export const writeNumber = (text) => text.replace(".", POINT);
