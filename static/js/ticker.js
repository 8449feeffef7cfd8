// Keeps the current marks on the page up to date: [data-ticker="<outcome code>"].
import { mark, mirrorMark, percent } from "./format.js";

const NO = "NO";

/** Returns the handler of a market's ticker frames; it calls `onMark(code, half pips)` for each. */
export function startTicker({ binary, market }, onMark = () => {}) {
  return (frame) => {
    if (frame.market !== market) return;
    for (const ticker of frame.tickers) {
      const now = mark(ticker);
      show(ticker.outcome, now);
      if (binary) show(NO, mirrorMark(now));
      onMark(ticker.outcome, now);
    }
  };
}

function show(code, now) {
  const text = percent(now);
  for (const element of document.querySelectorAll(`[data-ticker="${CSS.escape(code)}"]`)) {
    if (element.textContent === text) continue;
    const was = element.dataset.halfPips;
    element.textContent = text;
    element.dataset.halfPips = now ?? "";
    if (!was || now === null) continue; // the first one differs from the server's by chance alone
    const isUp = now > Number(was);
    element.classList.remove("flash-up", "flash-down");
    element.getAnimations().forEach((animation) => animation.cancel());
    requestAnimationFrame(() => element.classList.add(isUp ? "flash-up" : "flash-down"));
  }
}
