// The frame embedded in other pages: its figures follow the feed if that is reachable.
import { subscribe } from "./feed.js";
import { startTicker } from "./ticker.js";

const config = JSON.parse(document.getElementById("embed").textContent);
subscribe("ticker", config.market, startTicker(config));
