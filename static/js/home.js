// The markets page: live cards, and what a search found said aloud.
import "./market-cards.js";

document.addEventListener("htmx:afterSwap", () => {
  const browse = document.getElementById("browse");
  document.getElementById("found").textContent = browse.dataset.announcement;
});
