// On the pages of the account: what goes wrong with a passkey is said; the present tab is in sight.
import { toast } from "./toast.js";

// allauth's script tells of a passkey that was not used, or not to be had, by this event.
document.addEventListener("allauth.error", (event) => {
  const said = document.getElementById("passkey-words");
  if (said === null) return;
  event.preventDefault();
  toast(said.dataset.failed, "error");
});

// On a narrow screen the present tab may be out of sight.
document.querySelector(".tab-bar [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
