// The time axis of a chart: labels that are never cut off and never repeat.
import { markPrice, pageScale } from "./format.js";

const HALF_PIPS_PER_PERCENT = 200;
const MINUTE_SECONDS = 60;
const DAY_SECONDS = 86400;
const MONTH_SECONDS = 28 * DAY_SECONDS;
const YEAR_SECONDS = 300 * DAY_SECONDS; // above this the same day may occur twice
const SPAN_MIN_SECONDS = 20;
const LABEL_GAP = 8; // slightly more than uPlot's own
export const FONT = "12px system-ui, sans-serif";

const language = document.documentElement.lang || "en";
const hours = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const format = (options) => new Intl.DateTimeFormat(language, options);
const showSeconds = format({ ...hours, second: "2-digit" });
export const showHours = format(hours);
export const showDay = format({ day: "numeric", month: "short" });
export const showDate = format({ day: "numeric", month: "short", year: "2-digit" });
export const showMonth = format({ month: "short", year: "numeric" });
export const showYear = format({ year: "numeric" });
export const showMoment = format({ day: "numeric", month: "short", ...hours });

const showTick = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
/** 62.5 as 62.5%, in the page's language; of a scalar market the number there. */
export const namePercent = (value) =>
  (pageScale === null ? showTick.format(value / 100) : markPrice(Math.round(value * HALF_PIPS_PER_PERCENT)));

const ruler = document.createElement("canvas").getContext("2d");

/** uPlot's time range: at least twenty seconds, so that a young chart has whole labels too. */
export function findTimes(_, first, last) {
  return first === null ? [first, last] : [Math.min(first, last - SPAN_MIN_SECONDS), last];
}

/** The width of an axis with room for its labels, in any language. */
export function fitLabels(least) {
  return (_, labels) => {
    ruler.font = FONT;
    const widths = (labels ?? []).map((label) => ruler.measureText(label).width);
    return Math.max(least, Math.ceil(Math.max(0, ...widths)) + LABEL_GAP);
  };
}

/** uPlot's labels of these seconds. */
export function nameTimes(plot, seconds, axis, space, increment) {
  const { min, max } = plot.scales.x;
  const used = new Set();
  return seconds.map((second) => {
    const label = nameTime(new Date(second * 1000), increment, max - min);
    if (used.has(label) || isCut(plot, second, label)) return "";
    used.add(label);
    return label;
  });
}

/** Days at midnight or where ticks are days apart, with the year in a long chart. */
function nameTime(moment, increment, span) {
  if (increment >= MONTH_SECONDS && span >= YEAR_SECONDS) return showMonth.format(moment);
  const isDay = moment.getHours() + moment.getMinutes() + moment.getSeconds() === 0;
  if (increment >= DAY_SECONDS || isDay) return (span >= YEAR_SECONDS ? showDate : showDay).format(moment);
  return (increment < MINUTE_SECONDS ? showSeconds : showHours).format(moment);
}

/** Whether the label would begin left of the canvas or end right of it. */
function isCut(plot, second, label) {
  ruler.font = FONT;
  const half = ruler.measureText(label).width / 2;
  const middle = plot.valToPos(second, "x", true) / devicePixelRatio;
  return middle < half || middle + half > plot.width;
}
