// The equity curve: an account's worth at the end of each day, and now. Drawn with uPlot in the
// colours of the page; the table below it has the same figures.
import uPlot from "../vendor/uplot/uPlot.min.mjs";
import { FONT, nameTimes } from "./axis.js";
import { amount } from "./format.js";

const DAY_SECONDS = 86_400;
const HALF_A_DATE = 28; // px: the last one stands under the end of the curve
const language = document.documentElement.lang || "en";
const days = new Intl.DateTimeFormat(language, { dateStyle: "medium" });

/** Draw [[seconds, equity], ...]; returns { setNow(equity), setDays(days or null) }. */
export function drawEquity(place, points, symbol) {
  let shownDays = null;
  let now = null;
  let plot = null;

  function choose() {
    const rows = now === null ? points : [...points, [Date.now() / 1000, now]];
    const since = shownDays === null ? 0 : Date.now() / 1000 - shownDays * DAY_SECONDS;
    const shown = rows.filter(([seconds]) => seconds >= since);
    return [shown.map(([seconds]) => seconds), shown.map(([, equity]) => equity)];
  }

  function draw() {
    plot?.destroy();
    place.replaceChildren();
    plot = new uPlot(buildOptions(place, symbol), choose(), place);
  }

  new ResizeObserver(() => {
    if (plot !== null && place.clientWidth !== plot.width) plot.setSize(measure(place));
  }).observe(place);
  addEventListener("themechange", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
  return {
    setNow(equity) { now = equity; plot.setData(choose()); },
    setDays(wanted) { shownDays = wanted; plot.setData(choose()); },
  };
}

function measure(place) {
  return { width: place.clientWidth, height: place.clientHeight };
}

function buildOptions(place, symbol) {
  const style = getComputedStyle(document.documentElement);
  const line = style.getPropertyValue("--color-primary");
  const text = style.getPropertyValue("--muted");
  const grid = { stroke: style.getPropertyValue("--color-base-300"), width: 1 };
  const axis = { stroke: text, grid, font: FONT, ticks: { show: false } };
  return {
    ...measure(place),
    legend: { show: false },
    cursor: { y: false },
    padding: [8, HALF_A_DATE, 0, 0],
    plugins: [{ hooks: { setCursor: (plot) => tell(plot, place, symbol) } }],
    axes: [
      { ...axis, space: 70, size: 26, values: nameTimes },
      { ...axis, size: 66, values: (_, values) => values.map((value) => shorten(value)) },
    ],
    series: [{}, { stroke: line, width: 2, fill: fade(line), points: { show: false } }],
  };
}

function fade(colour) {
  return `color-mix(in srgb, ${colour} 12%, transparent)`;
}

const short = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
function shorten(value) {
  return short.format(value);
}

/** What the pointer is over stands in the chart's title. */
function tell(plot, place, symbol) {
  const { idx } = plot.cursor;
  const [times, values] = plot.data;
  place.title = idx === null || idx === undefined || times[idx] === undefined
    ? ""
    : `${days.format(times[idx] * 1000)}: ${symbol}${amount(values[idx])}`;
}
