// The form for a market: fields that concern another kind of market are out of the way. Without
// this script all of them are there, and the server knows which ones count.
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
