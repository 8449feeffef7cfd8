// Copies the vendored front-end files with their licences into ../static/vendor, and puts the icons
// that templates name into one sprite, ../static/icons.svg.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const modules = join(here, "node_modules");
const vendor = join(root, "static", "vendor");

const FILES = {
  "htmx": ["htmx.org/dist/htmx.min.js", "htmx.org/LICENSE"],
  "uplot": ["uplot/dist/uPlot.min.css", "uplot/LICENSE"],
  "lightweight-charts": [
    "lightweight-charts/dist/lightweight-charts.standalone.production.mjs",
    "lightweight-charts/LICENSE",
  ],
  "lucide": ["lucide-static/LICENSE"],
  "daisyui": ["daisyui/LICENSE"],
  "tailwindcss": ["tailwindcss/LICENSE"],
};

for (const [name, files] of Object.entries(FILES)) {
  mkdirSync(join(vendor, name), { recursive: true });
  for (const file of files) {
    copyFileSync(join(modules, file), join(vendor, name, file.split("/").at(-1)));
  }
}

// uPlot's minified file is a script; half the size of its ES module, which is not minified.
const script = readFileSync(join(modules, "uplot/dist/uPlot.iife.min.js"), "utf8");
writeFileSync(join(vendor, "uplot", "uPlot.min.mjs"), `${script}\nexport default uPlot;\n`);

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (/\.(html|js|py)$/.test(entry.name)) yield path;
  }
}

const NAMED = /(?:{%-? *icon +|icon: *|icon\()["']([a-z0-9-]+)["']/g;
const names = new Set();
for (const folder of ["templates", "static/js", "accounts", "markets", "trading", "predex"]) {
  for (const path of walk(join(root, folder))) {
    for (const [, name] of readFileSync(path, "utf8").matchAll(NAMED)) names.add(name);
  }
}
const symbols = [...names].sort().map((name) => {
  const svg = readFileSync(join(modules, "lucide-static", "icons", `${name}.svg`), "utf8");
  const inner = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
  return `<symbol id="${name}" viewBox="0 0 24 24">${inner.replace(/\s*\n\s*/g, "")}</symbol>`;
});
writeFileSync(
  join(root, "static", "icons.svg"),
  `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`,
);
console.log(`${names.size} icons`);
