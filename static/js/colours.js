// The theme's colours for canvas drawings, and a notification when they change.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");

/** Paper is white: dark drawings are inverted in print (site.css). */
export function readColours() {
  const page = document.documentElement;
  const style = getComputedStyle(page);
  const theme = page.dataset.theme ?? (dark.matches ? "dark" : "light");
  page.dataset.drawn = paper.matches ? "light" : theme;
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    primary: read("--color-primary"),
    ground: read("--color-base-100"),
    line: read("--color-base-300"),
    text: read("--muted"),
    yes: read("--color-success"),
    no: read("--color-error"),
    yesSoft: read("--yes-soft"),
    noSoft: read("--no-soft"),
  };
}

/** Call `redraw` whenever the page's theme or the system's changes. */
export function onThemeChange(redraw) {
  addEventListener("themechange", redraw);
  dark.addEventListener("change", redraw);
  // Drawings made during printing have the colours for paper.
  paper.addEventListener("change", () => paper.matches || redraw());
}
