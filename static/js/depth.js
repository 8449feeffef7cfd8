// The depth of the book: cumulative quantities of both sides by price, by uPlot.
import uPlot from "../vendor/uplot/uPlot.min.mjs";
import { FONT, fitLabels } from "./axis.js";
import { onThemeChange, readColours } from "./colours.js";
import { lots as showLots, pricePips } from "./format.js";
import { PAYOUT_PIPS, toLots, toPips } from "./units.js";

const LOTS_PER_CONTRACT = 100;

const SIDE_AFTER = 1;
const SIDE_BEFORE = -1;

/** Draw a book's depth in `box`; returns {update}, which draws if the box is visible. */
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
    const axis = { stroke: colours.text, font: FONT, ticks: { show: false } };
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
        { ...axis, grid: { show: false }, size: 28, space: 60, values: (_, splits) => splits.map((value) => showPrice(value)) },
        { ...axis, size: fitLabels(52), grid: { stroke: colours.line, width: 1 }, values: (_, splits) => splits.map((value) => showContracts(value)) },
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
            .replace("{total}", showContracts(total))
            .replace("{price}", showPrice(u.data[0][idx]));
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

/** Formats uPlot's floats in the page's language. */
const showPrice = (value) => pricePips(Math.round(value * PAYOUT_PIPS));
const showContracts = (value) => showLots(BigInt(Math.round(value * LOTS_PER_CONTRACT)));

/** [ascending prices, contracts bid at each price or more, contracts asked at it or less]. */
function collect({ bids, asks }) {
  const sum = (levels) => {
    let lots = 0n;
    return levels.map(([price, quantity]) => {
      lots += toLots(quantity);
      return [toPips(price) / PAYOUT_PIPS, Number(lots) / LOTS_PER_CONTRACT];
    });
  };
  const [below, above] = [sum(bids).reverse(), sum(asks)];
  return [
    [...below, ...above].map(([value]) => value),
    [...below.map(([, total]) => total), ...above.map(() => null)],
    [...below.map(() => null), ...above.map(([, total]) => total)],
  ];
}
