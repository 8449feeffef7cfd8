// Probability over time: a line for each outcome, by uPlot; the last point follows the feed.
import uPlot from "../vendor/uplot/uPlot.min.mjs";
import { FONT, findTimes, fitLabels, namePercent, nameTimes, showMoment } from "./axis.js";
import { onThemeChange, readColours } from "./colours.js";
import { NOTHING, percent } from "./format.js";
import { request } from "./http.js";

const RANGE_SECONDS = { "1H": 3600, "6H": 21600, "1D": 86400, "1W": 604800, ALL: null };
const LIVE = new Set(["open", "halted"]);
const POINTS = 500;
const HALF_PIPS_PER_PERCENT = 200;
const STILL_MS = 15000; // a quiet market's line still reaches until now
const AGAIN_MS = 5000; // retry when the server is busy; its drawing stays meanwhile

/** Follow a market in `root`; returns {reload, take, onTrades}. */
export function startChart(root, config) {
  const plot = root.querySelector("[data-plot]");
  const candleBox = root.querySelector("[data-candles]");
  const empty = root.querySelector("[data-chart-empty]");
  const picker = root.querySelector("[data-candle-outcome]");
  const kinds = root.querySelector("[data-chart-kinds]");
  const shown = new Set(config.outcomes.filter((outcome) => outcome.shown).map(({ code }) => code));
  const lines = new Map(config.outcomes.map(({ code }) => [code, []]));
  const marks = new Map(); // code -> current mark in per cent
  let times = [];
  let range = root.dataset.range;
  let chart = null;
  let candles = null;
  let loads = 0;
  let isLoaded = false;
  let waiting = false;
  let until = null; // the last second in which the market was open for trading, as far as this page knows

  // --- data

  async function reload() {
    const load = (loads += 1);
    const response = await request(`${config.history_url}?range=${range}`);
    if (load !== loads) return;
    if (response === null || response.status >= 500) setTimeout(() => load === loads && reload(), AGAIN_MS);
    if (!response?.ok) return;
    const answer = await response.json();
    if (load !== loads) return;
    isLoaded = true;
    times = answer.times;
    for (const { outcome, half_pips: values } of answer.outcomes) {
      lines.set(outcome, values.map((value) => (value === null ? null : value / HALF_PIPS_PER_PERCENT)));
    }
    extend();
    draw();
    showFigures();
    candles?.load(range, times);
  }

  /** End the lines now, or when trading ended, with the known marks; the history follows later. */
  function extend() {
    if (LIVE.has(config.status)) until = Date.now() / 1000;
    if (times.length === 0) {
      if ([...marks.values()].every((mark) => mark === null)) return;
      until ??= Date.now() / 1000;
      begin(until - 60);
    }
    if (until === null) return;
    const last = times.length - 1;
    const gap = Math.max(1, (until - times[0]) / POINTS);
    if (last > 0 && times[last] - times[last - 1] < gap) replaceLast(Math.max(until, times[last]));
    else if (until > times[last]) append(until);
    else replaceLast(times[last]);
    const seconds = RANGE_SECONDS[range];
    while (seconds !== null && times.length > 2 && times[1] < until - seconds) dropFirst();
  }

  const worth = (code, values) => (marks.has(code) ? marks.get(code) : values.at(-1) ?? null);

  function begin(time) {
    times = [time];
    for (const code of lines.keys()) lines.set(code, [marks.get(code) ?? null]);
  }

  function append(time) {
    times.push(time);
    for (const [code, values] of lines) values.push(worth(code, values));
  }

  function replaceLast(time) {
    times[times.length - 1] = time;
    for (const [code, values] of lines) values[values.length - 1] = worth(code, values);
  }

  function dropFirst() {
    times.shift();
    for (const values of lines.values()) values.shift();
  }

  // --- uPlot

  const countKnown = (place) => data()[place].reduce((count, value) => count + (value !== null), 0);
  const data = () => [times, ...config.outcomes.map(({ code }) => lines.get(code))];

  function draw() {
    empty.hidden = times.length > 0;
    if (times.length === 0) return;
    if (chart !== null) return chart.setData(data());
    plot.replaceChildren();
    chart = new uPlot(build(), data(), plot);
  }

  function redraw() {
    chart?.destroy();
    chart = null;
    draw();
  }

  function build() {
    const colours = readColours();
    const axis = { stroke: colours.text, font: FONT, ticks: { show: false } };
    const only = config.outcomes.length === 1;
    return {
      width: plot.clientWidth,
      height: plot.clientHeight,
      padding: [10, 0, 0, 18],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
      scales: { x: { time: true, range: findTimes }, y: { range: (_, low, high) => findBounds(low, high) } },
      axes: [
        { ...axis, grid: { show: false }, size: 28, space: 70, values: nameTimes },
        {
          ...axis, side: 1, size: fitLabels(44), grid: { stroke: colours.line, width: 1 },
          values: (_, splits) => splits.map(namePercent),
        },
      ],
      series: [
        {},
        ...config.outcomes.map(({ code, colour, dash }) => ({
          show: shown.has(code),
          stroke: colour,
          width: 2,
          dash: dash === "" ? undefined : dash.split(" ").map(Number),
          fill: only ? `${colour}18` : undefined,
          // A single last value has no line.
          points: { show: (_, place) => countKnown(place) === 1, size: 6, fill: colour },
        })),
      ],
      plugins: [tooltip()],
    };
  }

  function tooltip() {
    const box = document.createElement("div");
    box.className = "panel pointer-events-none absolute top-2 z-10 px-2.5 py-1.5 text-xs shadow-md";
    box.hidden = true;
    return {
      hooks: {
        init: (u) => u.over.append(box),
        setCursor: (u) => {
          const { idx, left } = u.cursor;
          box.hidden = idx === null || idx === undefined || left < 0;
          if (box.hidden) return;
          box.replaceChildren(line(showMoment.format(times[idx] * 1000), "muted"), ...values(idx));
          const isRight = left > u.over.clientWidth / 2;
          box.style.left = isRight ? "" : `${left + 12}px`;
          box.style.right = isRight ? `${u.over.clientWidth - left + 12}px` : "";
        },
      },
    };
  }

  function values(idx) {
    return config.outcomes
      .filter(({ code }) => shown.has(code))
      .map(({ code, name, colour }) => {
        const row = line("", "flex items-center gap-1.5");
        const dot = document.createElement("span");
        dot.className = "size-2 rounded-full flex-none";
        dot.style.backgroundColor = colour;
        const label = document.createElement("span");
        label.className = "truncate max-w-40";
        label.textContent = name;
        const value = document.createElement("strong");
        value.className = "num ml-auto pl-2";
        value.textContent = showPercent(lines.get(code)[idx]);
        row.append(dot, label, value);
        return row;
      });
  }

  // --- texts

  function showFigures() {
    const body = root.querySelector("[data-figures]");
    const rows = config.outcomes.filter(({ code }) => shown.has(code)).map(({ code, name }) => {
      const known = lines.get(code).filter((value) => value !== null);
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      row.append(head);
      const figures = known.length === 0
        ? [null, null, null, null]
        : [known[0], known.at(-1), Math.min(...known), Math.max(...known)];
      for (const figure of figures) {
        const cell = row.insertCell();
        cell.className = "right num";
        cell.textContent = showPercent(figure);
      }
      return row;
    });
    body.replaceChildren(...rows);
  }

  // --- user input

  root.addEventListener("submit", (event) => event.preventDefault());
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button === null) return;
    if (button.name === "range") chooseRange(button);
    else if (button.dataset.kind) chooseKind(button);
    else if (button.dataset.toggleLine) toggle(button);
  });

  function chooseRange(button) {
    press(root.querySelectorAll("button[name=range]"), button);
    range = root.dataset.range = button.value;
    reload();
  }

  function toggle(button) {
    const code = button.dataset.toggleLine;
    const isShown = !shown.has(code);
    if (isShown) shown.add(code);
    else shown.delete(code);
    button.setAttribute("aria-pressed", String(isShown));
    const place = config.outcomes.findIndex((outcome) => outcome.code === code);
    chart?.setSeries(place + 1, { show: isShown });
    showFigures();
  }

  async function chooseKind(button) {
    press(kinds.querySelectorAll("button"), button);
    const isCandles = button.dataset.kind === "candles";
    plot.hidden = isCandles;
    candleBox.hidden = !isCandles;
    picker.hidden = !isCandles || config.outcomes.length === 1;
    for (const legend of root.querySelectorAll("[data-legend]")) legend.hidden = isCandles;
    candles?.remove();
    candles = null;
    if (!isCandles) return draw();
    const { startCandles } = await import("./candles.js");
    if (candleBox.hidden || candles !== null) return;
    candles = startCandles(candleBox, config, () => picker.value);
    candles.load(range, times);
  }

  picker.addEventListener("change", () => candles?.load(range, times));

  // --- updates

  function take(code, halfPips) {
    if (halfPips === null && !LIVE.has(config.status)) return; // the final mark stays
    marks.set(code, halfPips === null ? null : halfPips / HALF_PIPS_PER_PERCENT);
    if (waiting || !isLoaded) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      extend();
      if (!plot.hidden) draw();
    });
  }

  setInterval(() => {
    if (document.hidden || !isLoaded) return;
    extend();
    if (!plot.hidden) draw();
    showFigures();
  }, STILL_MS);
  new ResizeObserver(() => {
    if (plot.clientWidth > 0) chart?.setSize({ width: plot.clientWidth, height: plot.clientHeight });
  }).observe(plot);
  onThemeChange(() => {
    redraw();
    candles?.paint();
  });
  kinds.hidden = false;
  reload();

  return { reload, take, onTrades: (frame) => candles?.follow(frame) };
}

const showPercent = (value) =>
  (value === null || value === undefined ? NOTHING : percent(Math.round(value * HALF_PIPS_PER_PERCENT)));

function line(text, css) {
  const element = document.createElement("div");
  element.className = css;
  element.textContent = text;
  return element;
}

function press(buttons, chosen) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
}

/** Like the server's drawing: multiples of 5% around the lines, at least ten apart. */
function findBounds(low, high) {
  if (low === null || high === null) return [0, 100];
  const missing = Math.max(0, 10 - (high + 4 - (low - 4))) / 2;
  const bottom = Math.max(0, Math.floor((low - 4 - missing) / 5) * 5);
  return [bottom, Math.min(100, Math.ceil((high + 4 + missing) / 5) * 5)];
}
