// Counts down to the time of each [data-countdown], in suitable units. Seconds are shown only in the
// last hour, to avoid needless updates.
const language = document.documentElement.lang || "en";
const SIZES = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
// English has "4d 16h"; German's narrow units are of two kinds ("4 T", "16h"), its short ones of one.
const unitDisplay = language === "en" ? "narrow" : "short";
const formats = new Map(
  SIZES.map(([unit]) => [unit, new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay })]),
);

function describe(seconds) {
  let first = SIZES.findIndex(([, size]) => seconds >= size);
  if (first < 0) first = SIZES.length - 1;
  let left = seconds;
  return SIZES.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return formats.get(unit).format(count);
  }).join(" ");
}

function show() {
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const seconds = Math.floor((new Date(element.dataset.countdown) - Date.now()) / 1000);
    if (seconds < 0) continue;
    const text = element.dataset.template.replace("{time}", describe(seconds));
    if (element.textContent !== text) element.textContent = text;
  }
}

show();
setInterval(show, 1000);
