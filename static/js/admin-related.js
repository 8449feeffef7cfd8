// The links below a select field: a row is added, changed or deleted in a separate window, and the
// field here is updated. That window's popup_response.js, which is Django's, calls the functions
// assigned to `window` below.
const WINDOW = "width=1024,height=768";
const askers = new Map(); // each open window -> the field that it was opened for

function pointLinks(list) {
  for (const link of list.closest(".related-widget-wrapper").querySelectorAll("[data-href-template]")) {
    if (list.value) link.href = link.dataset.hrefTemplate.replace("__fk__", list.value);
    else link.removeAttribute("href");
  }
}

function openLink(event) {
  const link = event.target.closest(".related-links a[data-popup]");
  if (link === null) return;
  event.preventDefault();
  const list = link.closest(".related-widget-wrapper").querySelector("select");
  askers.set(window.open(link.href, "_blank", WINDOW), list);
}

function answer(popup, change) {
  const list = askers.get(popup);
  askers.delete(popup);
  popup.close();
  if (list === undefined) return;
  change(list);
  list.dispatchEvent(new Event("change", { bubbles: true }));
}

function findOption(list, value) {
  return [...list.options].find((option) => option.value === value);
}

window.dismissAddRelatedObjectPopup = (popup, value, name) => {
  answer(popup, (list) => list.add(new Option(name, value, true, true)));
};

window.dismissChangeRelatedObjectPopup = (popup, before, name, value) => {
  answer(popup, (list) => Object.assign(findOption(list, before), { text: name, value }));
};

window.dismissDeleteRelatedObjectPopup = (popup, value) => {
  answer(popup, (list) => findOption(list, value)?.remove());
};

for (const list of document.querySelectorAll(".related-widget-wrapper select")) {
  pointLinks(list);
  list.addEventListener("change", () => pointLinks(list));
}
document.addEventListener("click", openLink);
