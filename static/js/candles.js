// Candles with volume, by lightweight-charts, which is loaded on first use.
import {
  CandlestickSeries,
  HistogramSeries,
  createChart,
} from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { showDay, showHours, showMoment, showMonth, showYear } from "./axis.js";
import { readColours } from "./colours.js";
import { lots, pricePips } from "./format.js";
import { request } from "./http.js";
import { PAYOUT_PIPS, toLots } from "./units.js";

const RANGE_SECONDS = { "1H": 3600, "6H": 21600, "1D": 86400, "1W": 604800 };
const INTERVALS = [["1m", 60], ["5m", 300], ["1h", 3600], ["1d", 86400]];
const BARS_WANTED = 400;
const BARS_MAX = 1000;
const LOTS_PER_CONTRACT = 100;
const language = document.documentElement.lang || "en";
const TICKS = [showYear, showMonth, showDay, showHours, showHours]; // by lightweight-charts' kinds
const SPAN_MIN = 0.1;
const BAR_PX_MAX = 32;
const showPrice = (value) => pricePips(Math.round(value * PAYOUT_PIPS));
const nameTick = (value) => (value < 0 || value > 1 ? "" : showPrice(value));

/** Draw candles in `box`; returns {load, follow, paint, remove}. `getOutcome` returns their outcome. */
export function startCandles(box, config, getOutcome) {
  const chart = createChart(box, {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: 12, fontFamily: "system-ui, sans-serif" },
    localization: { locale: language, timeFormatter: (time) => showMoment.format(time * 1000) },
    // With fixed edges the first and last labels are shifted until they are fully visible.
    timeScale: { timeVisible: true, maxBarSpacing: BAR_PX_MAX, tickMarkFormatter: (time, kind) => TICKS[kind].format(time * 1000), fixLeftEdge: true, fixRightEdge: true },
    handleScroll: { vertTouchDrag: false },
  });
  const prices = chart.addSeries(CandlestickSeries, {
    priceFormat: { type: "custom", minMove: 0.0001, formatter: nameTick },
    autoscaleInfoProvider: (find) => widen(find()),
  });
  const volumes = chart.addSeries(HistogramSeries, {
    priceScaleId: "volume",
    priceFormat: { type: "volume" },
    lastValueVisible: false,
    priceLineVisible: false,
  });
  prices.priceScale().applyOptions({ scaleMargins: { top: 0.16, bottom: 0.26 } });
  volumes.priceScale().applyOptions({ scaleMargins: { top: 0.8, bottom: 0 } });
  const readout = document.createElement("p");
  readout.className = "absolute left-1 top-0 z-10 max-w-[calc(100%-3rem)] pr-1 bg-base-100 text-xs muted tabular-nums pointer-events-none";
  box.append(readout);

  let bars = [];
  let width = 60;
  let loads = 0;
  let colours = readColours();

  /** Load the lines' range, until their last time. */
  async function load(range, times) {
    const end = times.at(-1) ?? Date.now() / 1000;
    const start = RANGE_SECONDS[range] ? end - RANGE_SECONDS[range] : (times[0] ?? end) - 60;
    const [interval, seconds] = INTERVALS.find(([, each]) => (end - start) / each <= BARS_WANTED)
      ?? INTERVALS.at(-1);
    const query = new URLSearchParams({
      interval,
      outcome: getOutcome(),
      start: new Date(Math.floor(start / seconds) * seconds * 1000).toISOString(),
      limit: BARS_MAX,
    });
    const turn = (loads += 1);
    const response = await request(`${config.candles_url}?${query}`);
    if (!response?.ok || turn !== loads) return;
    const { results } = await response.json();
    if (turn !== loads) return;
    width = seconds;
    bars = fill(results.reverse().filter(({ open }) => open !== null).map(readBar), width, end);
    paint();
    chart.timeScale().fitContent();
  }

  const volumeOf = ({ time, lots: count, open, close }) => (count === 0n ? { time } : {
    time, value: Number(count) / LOTS_PER_CONTRACT, color: `${close < open ? colours.no : colours.yes}66`,
  });

  function paint() {
    colours = readColours();
    const { ground, line, text, yes, no } = colours;
    chart.applyOptions({
      layout: { background: { color: ground }, textColor: text },
      grid: { vertLines: { visible: false }, horzLines: { color: line } },
      rightPriceScale: { borderVisible: false },
      timeScale: { borderColor: line },
    });
    // Hollow where the price rose, so that colour is not the only sign.
    prices.applyOptions({
      upColor: ground,
      downColor: no,
      wickUpColor: yes,
      wickDownColor: no,
      borderUpColor: yes,
      borderDownColor: no,
    });
    prices.setData(bars);
    volumes.setData(bars.map(volumeOf));
    say(bars.at(-1));
  }

  /** The minutes without trades since the last candle. */
  function carry(last, time) {
    for (const bar of fill([last], width, time).slice(1)) {
      bars.push(bar);
      prices.update(bar);
      volumes.update(volumeOf(bar));
    }
  }

  /** Add new trades to the last candle. */
  function follow(frame) {
    if (frame.type !== "trades") return;
    for (const trade of frame.trades) {
      if (trade.outcome !== getOutcome()) continue;
      const time = Math.floor(Date.parse(trade.created_at) / 1000 / width) * width;
      const [value, count] = [Number(trade.price), toLots(trade.quantity)];
      const last = bars.at(-1);
      if (last === undefined || time > last.time) {
        if (last !== undefined) carry(last, time);
        bars.push({ ...stay(value, time), lots: count });
      } else if (time === last.time) {
        last.high = Math.max(last.high, value);
        last.low = Math.min(last.low, value);
        last.close = value;
        last.lots += count;
      } else {
        continue;
      }
      prices.update(bars.at(-1));
      volumes.update(volumeOf(bars.at(-1)));
    }
    say(bars.at(-1));
  }

  function say(bar) {
    readout.textContent = bar === undefined
      ? config.words.no_candles
      : config.words.candle
        .replace("{open}", showPrice(bar.open))
        .replace("{high}", showPrice(bar.high))
        .replace("{low}", showPrice(bar.low))
        .replace("{close}", showPrice(bar.close))
        .replace("{volume}", lots(bar.lots));
  }

  chart.subscribeCrosshairMove(({ time }) => {
    say(bars.find((bar) => bar.time === time) ?? bars.at(-1));
  });

  return { load, follow, paint, remove: () => { loads += 1; chart.remove(); readout.remove(); } };
}

const readBar = (candle) => ({
  time: Date.parse(candle.start) / 1000,
  open: Number(candle.open),
  high: Number(candle.high),
  low: Number(candle.low),
  close: Number(candle.close),
  lots: toLots(candle.volume),
});

/** Carry each price over intervals without a trade, until `end`. */
function fill(bars, width, end) {
  const whole = [];
  for (const [place, bar] of bars.entries()) {
    const next = bars[place + 1]?.time ?? end;
    whole.push(bar);
    for (let time = bar.time + width; time < next; time += width) whole.push(stay(bar.close, time));
  }
  return whole;
}

const stay = (price, time) => ({ time, open: price, high: price, low: price, close: price, lots: 0n });

/** Like the lines': a range of at least ten cents, within 0 and 1. */
function widen(info) {
  if (!info?.priceRange) return info;
  const { minValue, maxValue } = info.priceRange;
  const missing = Math.max(0, SPAN_MIN - (maxValue - minValue)) / 2;
  const low = Math.min(Math.max(0, minValue - missing), 1 - SPAN_MIN);
  return { ...info, priceRange: { minValue: low, maxValue: Math.max(maxValue, low + SPAN_MIN) } };
}
