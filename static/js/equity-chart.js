// The equity curve: an account's equity at the end of each day, and now. Drawn with uPlot in the
// page's colours; the table below it has the same figures.
import uPlot from "../vendor/uplot/uPlot.min.mjs";
import { FONT, fitLabels, nameTimes } from "./axis.js";
import { onThemeChange, readColours } from "./colours.js";
import { money } from "./format.js";
import { toMicros } from "./units.js";

const DAY_SECONDS = 86_400;
const MICROS = 1e6;
const HALF_A_DATE = 28; // px: the last one is below the end of the curve
const language = document.documentElement.lang || "en";
const days = new Intl.DateTimeFormat(language, { dateStyle: "medium" });

/** Draw [[seconds, equity as a plain text], ...]; returns { setNow(micros), setDays(days or null) }. */
export function drawEquity(place, points) {
  const known = points.map(([seconds, equity]) => [seconds, toMicros(equity)]);
  let shownDays = null;
  let now = null;
  let shown = [];
  let plot = null;

  function choose() {
    const rows = now === null ? known : [...known, [Date.now() / 1000, now]];
    const since = shownDays === null ? 0 : Date.now() / 1000 - shownDays * DAY_SECONDS;
    shown = rows.filter(([seconds]) => seconds >= since);
    return [shown.map(([seconds]) => seconds), shown.map(([, micros]) => Number(micros) / MICROS)];
  }

  function draw() {
    plot?.destroy();
    place.replaceChildren();
    plot = new uPlot(buildOptions(place, () => shown), choose(), place);
  }

  new ResizeObserver(() => {
    if (plot !== null && place.clientWidth !== plot.width) plot.setSize(measure(place));
  }).observe(place);
  onThemeChange(draw);
  draw();
  return {
    setNow(equity) { now = equity; plot.setData(choose()); },
    setDays(wanted) { shownDays = wanted; plot.setData(choose()); },
  };
}

function measure(place) {
  return { width: place.clientWidth, height: place.clientHeight };
}

function buildOptions(place, getShown) {
  const { primary, text, line } = readColours();
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, font: FONT, ticks: { show: false } };
  return {
    ...measure(place),
    legend: { show: false },
    cursor: { y: false },
    padding: [8, HALF_A_DATE, 0, 0],
    plugins: [{ hooks: { setCursor: (plot) => showPoint(plot, place, getShown()) } }],
    axes: [
      { ...axis, space: 70, size: 26, values: nameTimes },
      { ...axis, size: fitLabels(66), values: (_, values) => values.map((value) => shorten(value)) },
    ],
    series: [{}, { stroke: primary, width: 2, fill: fade(primary), points: { show: false } }],
  };
}

function fade(colour) {
  return `color-mix(in srgb, ${colour} 12%, transparent)`;
}

const short = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
function shorten(value) {
  return short.format(value);
}

/** Show the point under the pointer in the chart's title. */
function showPoint(plot, place, shown) {
  const point = shown[plot.cursor.idx];
  place.title = point === undefined ? "" : `${days.format(point[0] * 1000)}: ${money(point[1])}`;
}
