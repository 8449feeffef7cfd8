// Keeps every [data-balance="available"] (or cash, held) on the page equal to the account's, and the
// bell's number of unread notifications; where they are listed, "unread-grown" loads the new ones.
import { money } from "./format.js";
import { toMicros } from "./units.js";

const SHOWN_MAX = 99;

export function showBalance(frame) {
  if (frame.balance) {
    for (const element of document.querySelectorAll("[data-balance]")) {
      element.textContent = money(toMicros(frame.balance[element.dataset.balance]));
    }
  }
  if (frame.unread !== undefined) {
    for (const element of document.querySelectorAll("[data-unread]")) {
      if (frame.unread > Number.parseInt(element.textContent || "0", 10)) {
        document.body.dispatchEvent(new CustomEvent("unread-grown"));
      }
      element.textContent = frame.unread > SHOWN_MAX ? `${SHOWN_MAX}+` : frame.unread;
      element.hidden = frame.unread === 0;
    }
  }
}
