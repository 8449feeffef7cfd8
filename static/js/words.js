// The site-wide script's texts, in the page's language (`accounts/context.py`).
export const words = JSON.parse(document.getElementById("words").textContent);
