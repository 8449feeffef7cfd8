// The markets page: live cards, and search results announced to screen readers.
import "./market-cards.js";

document.addEventListener("htmx:afterSwap", () => {
  const browse = document.getElementById("browse");
  document.getElementById("found").textContent = browse.dataset.announcement;
});
