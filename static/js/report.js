// The report of a run: what the account was worth after each fill.
import { drawEquity } from "./equity-chart.js";

const place = document.getElementById("curve");
if (place !== null) drawEquity(place, JSON.parse(document.getElementById("curve-data").textContent));
