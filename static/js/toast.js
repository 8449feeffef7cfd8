// Short messages at the edge of the page, read out by screen readers. The server's arrive in the same
// region (`partials/toast.html`); each disappears by itself or by its button.
import { words } from "./words.js";

const SHOWN_MS = 7000;
const region = document.getElementById("toasts");

export function toast(text, kind = "info") {
  const box = document.createElement("div");
  box.className = `alert alert-${kind} shadow-lg`;
  box.dataset.toast = "";
  const span = document.createElement("span");
  span.textContent = text;
  box.append(span);
  region.append(box);
}

function watch(box) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-ghost btn-xs btn-square text-inherit";
  button.setAttribute("aria-label", words.close);
  button.textContent = "✕";
  button.addEventListener("click", () => box.remove());
  box.append(button);
  let timer = setTimeout(() => box.remove(), SHOWN_MS);
  box.addEventListener("mouseenter", () => clearTimeout(timer));
  box.addEventListener("focusin", () => clearTimeout(timer));
  box.addEventListener("mouseleave", () => { timer = setTimeout(() => box.remove(), SHOWN_MS); });
}

new MutationObserver((changes) => {
  for (const change of changes) {
    for (const node of change.addedNodes) {
      if (node.nodeType === Node.ELEMENT_NODE && "toast" in node.dataset) watch(node);
    }
  }
}).observe(region, { childList: true });
for (const box of region.querySelectorAll("[data-toast]")) watch(box);
