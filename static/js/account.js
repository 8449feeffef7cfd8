// On the account's pages: reports passkey errors, and scrolls the current tab into view.
import { toast } from "./toast.js";

// allauth's script sends this event when a passkey was not used or is unavailable.
document.addEventListener("allauth.error", (event) => {
  const said = document.getElementById("passkey-words");
  if (said === null) return;
  event.preventDefault();
  toast(said.dataset.failed, "error");
});

// On a narrow screen the current tab may be out of view.
document.querySelector(".tab-bar [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
