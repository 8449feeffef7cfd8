// The admin's menu: its search hides links that do not match; Enter opens the first.
const menu = document.getElementById("menu");
const search = document.getElementById("menu-search");
const TYPED_INTO = "input, select, textarea, [contenteditable]";

function listShown(selector) {
  return menu.querySelectorAll(`${selector}:not([hidden])`);
}

function filter() {
  const wanted = search.value.trim().toLowerCase();
  for (const item of menu.querySelectorAll("li")) {
    const name = item.querySelector(".admin-menu-name").textContent.toLowerCase();
    item.hidden = !name.includes(wanted);
  }
  for (const group of menu.querySelectorAll(".admin-menu-group")) {
    group.hidden = group.querySelector("li:not([hidden])") === null;
  }
  document.querySelector("#menu-none span").hidden = listShown("li").length > 0;
}

function asksForSearch(event) {
  if (event.target.matches(TYPED_INTO) || event.altKey) return false;
  const held = event.ctrlKey || event.metaKey;
  return held ? event.key === "k" : event.key === "t";
}

function startSearch(event) {
  if (!asksForSearch(event) || search.offsetParent === null) return;
  event.preventDefault();
  search.focus();
}

function answerKey(event) {
  if (event.key === "Enter") listShown("li")[0]?.querySelector("a").click();
  if (event.key !== "Escape") return;
  if (search.value === "") search.blur();
  search.value = "";
  filter();
}

if (menu !== null) {
  menu.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}
if (menu !== null && search !== null) {
  search.addEventListener("input", filter);
  search.addEventListener("keydown", answerKey);
  document.addEventListener("keydown", startSearch);
}
