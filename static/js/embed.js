// The small frame on other pages: its figures follow the feed where it can be reached.
import { subscribe } from "./feed.js";
import { startTicker } from "./ticker.js";

const config = JSON.parse(document.getElementById("embed").textContent);
subscribe("ticker", config.market, startTicker(config));
