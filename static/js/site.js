// On every page: theme, time zone, htmx, the bars shown when the page is not live, menus.
import { onState, subscribe } from "./feed.js";
import { toast } from "./toast.js";
import { words } from "./words.js";

const YEAR_SECONDS = 365 * 24 * 3600;

function setCookie(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax${secure}`;
}

// The server renders times in the cookie's zone; on a first visit they are converted here.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const CLOCKS = { minute: "short", second: "medium" };

function showInZone(time) {
  const moment = new Date(time.dateTime);
  const { lang } = document.documentElement;
  const day = new Intl.DateTimeFormat(lang, { dateStyle: "medium" }).format(moment);
  const timeStyle = CLOCKS[time.dataset.when];
  if (timeStyle === undefined) {
    time.textContent = day;
    return;
  }
  const clock = new Intl.DateTimeFormat(lang, { timeStyle, hourCycle: "h23" }).format(moment);
  time.textContent = `${day}, ${clock} ${nameZone(moment)}`;
}

/** The zone's short name, like the server's: en-US has EST but not CET, en-GB the reverse. */
function nameZone(moment) {
  const names = ["en-US", "en-GB"].map((lang) => {
    const parts = new Intl.DateTimeFormat(lang, { timeZoneName: "short" }).formatToParts(moment);
    return parts.find(({ type }) => type === "timeZoneName").value;
  });
  return names.find((name) => !/\d/.test(name)) ?? names[0];
}

if (zone && zone !== document.documentElement.dataset.zone) {
  setCookie("tz", zone);
  document.querySelectorAll("time[data-when]").forEach(showInZone);
}

for (const button of document.querySelectorAll("[data-set-theme]")) {
  button.addEventListener("click", () => {
    const theme = button.dataset.setTheme;
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    setCookie("theme", theme);
    dispatchEvent(new CustomEvent("themechange"));
  });
}

// A menu closes when the focus leaves it, on a click elsewhere, and with Escape.
for (const menu of document.querySelectorAll("details[data-menu]")) {
  addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget !== null && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// The feed's bars are needed only where something on the page is live.
const bar = document.getElementById("live-bar");
let wasLost = false;
export function showLiveState() {
  onState(({ connected, engine, exchange, everConnected }) => {
    const lost = everConnected && !connected;
    if (wasLost && connected) toast(words.connection_back, "success");
    wasLost = lost;
    const text = lost ? words.connection_lost : engine === "away" ? words.engine_away : "";
    bar.textContent = text;
    bar.hidden = text === "";
    document.documentElement.dataset.live = connected ? engine : "lost";
    if (exchange === "") return; // until the first heartbeat, bars are as the server rendered them
    document.querySelector('[data-bar="engine"]').hidden = true;
    showExchange(JSON.parse(exchange));
  });
}

/** Site-wide notices may change while the page is open. */
function showExchange({ trading_halted: isHalted, maintenance, announcement }) {
  const [announced, maintained, halted] = ["announcement", "maintenance", "halted"].map(
    (name) => document.querySelector(`[data-bar="${name}"]`));
  announced.hidden = announcement === "";
  announced.querySelector("span").textContent = announcement;
  maintained.hidden = !maintenance;
  halted.hidden = !isHalted || maintenance;
}

// Every display of the viewer's balance follows their account.
if (document.querySelector("[data-balance]") !== null) {
  showLiveState();
  import("./balance.js").then(({ showBalance }) => subscribe("me", null, showBalance));
}

addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status !== 422) toast(status === 429 ? words.too_many : words.request_failed, "error");
});
addEventListener("htmx:sendError", () => toast(words.request_failed, "error"));

addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy || location.href);
    toast(words.copied, "success");
  } catch {
    toast(words.request_failed, "error"); // not over plain http, or not allowed
  }
});
