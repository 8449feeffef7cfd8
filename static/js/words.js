// What the site's script says by itself, in the page's language (`accounts/context.py`).
export const words = JSON.parse(document.getElementById("words").textContent);
