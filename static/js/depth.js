// How much stands in the book down to each price: running totals of both sides, by uPlot.
import uPlot from "../vendor/uplot/uPlot.min.mjs";
import { units } from "./book.js";
import { onThemeChange, readColours } from "./colours.js";
import { contracts, price } from "./format.js";

const SIDE_AFTER = 1;
const SIDE_BEFORE = -1;

/** Draw a book's depth in `box`; returns {update}, which draws if the box can be seen. */
export function startDepth(box, config, book, choice) {
  let chart = null;
  let waiting = false;

  function update() {
    if (waiting || box.closest("[hidden]") !== null) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function draw() {
    const data = collect(book.levels(choice.outcome, choice));
    if (chart === null) chart = new uPlot(build(), data, box);
    else chart.setData(data);
  }

  function build() {
    const colours = readColours();
    const axis = { stroke: colours.text, font: "12px system-ui, sans-serif", ticks: { show: false } };
    const side = (colour, align) => ({
      stroke: colour,
      width: 2,
      fill: `${colour}33`,
      paths: uPlot.paths.stepped({ align }),
      points: { show: false },
    });
    return {
      width: box.clientWidth,
      height: box.clientHeight,
      padding: [10, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(1, high ?? 0) * 1.08] } },
      axes: [
        { ...axis, grid: { show: false }, size: 28, space: 60, values: (_, splits) => splits.map((value) => price(value.toFixed(4))) },
        { ...axis, size: 52, grid: { stroke: colours.line, width: 1 }, values: (_, splits) => splits.map((value) => contracts(String(value))) },
      ],
      series: [{}, side(colours.yes, SIDE_BEFORE), side(colours.no, SIDE_AFTER)],
      plugins: [tooltip()],
    };
  }

  function tooltip() {
    const note = document.createElement("div");
    note.className = "panel pointer-events-none absolute top-2 z-10 px-2.5 py-1.5 text-xs shadow-md num";
    note.hidden = true;
    return {
      hooks: {
        init: (u) => u.over.append(note),
        setCursor: (u) => {
          const { idx, left } = u.cursor;
          note.hidden = idx === null || idx === undefined || left < 0;
          if (note.hidden) return;
          const total = u.data[1][idx] ?? u.data[2][idx];
          note.textContent = config.words.depth
            .replace("{total}", contracts(String(total)))
            .replace("{price}", price(u.data[0][idx].toFixed(4)));
          const isRight = left > u.over.clientWidth / 2;
          note.style.left = isRight ? "" : `${left + 12}px`;
          note.style.right = isRight ? `${u.over.clientWidth - left + 12}px` : "";
        },
      },
    };
  }

  new ResizeObserver(() => {
    if (box.clientWidth > 0) chart?.setSize({ width: box.clientWidth, height: box.clientHeight });
  }).observe(box);
  onThemeChange(() => {
    chart?.destroy();
    chart = null;
    update();
  });

  return { update };
}

/** [prices upwards, contracts bid at each price or more, contracts asked at it or less]. */
function collect({ bids, asks }) {
  const sum = (levels) => {
    let lots = 0;
    return levels.map(([text, quantity]) => [Number(text), (lots += units(quantity)) / 100]);
  };
  const [below, above] = [sum(bids).reverse(), sum(asks)];
  return [
    [...below, ...above].map(([value]) => value),
    [...below.map(([, total]) => total), ...above.map(() => null)],
    [...below.map(() => null), ...above.map(([, total]) => total)],
  ];
}
