// The form for a market: hides fields of other kinds of market. Without this script all fields are
// shown, and the server ignores irrelevant ones.
const form = document.getElementById("market-form");

function arrange() {
  const chosen = new FormData(form);
  for (const name of ["kind", "visibility"]) {
    const value = chosen.get(name) ?? form.querySelector(`[name=${name}]:checked`)?.value;
    const data = `only${name[0].toUpperCase()}${name.slice(1)}`;
    for (const part of form.querySelectorAll(`[data-only-${name}]`)) {
      part.hidden = part.dataset[data] !== value;
    }
  }
}

form.addEventListener("change", arrange);
arrange();
