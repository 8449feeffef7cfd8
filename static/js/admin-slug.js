// Derives a new row's slug from its name while that is typed, until the slug itself is edited.
const fields = JSON.parse(document.getElementById("slug-sources").dataset.fields);

function makeSlug(text, lengthMax) {
  const plain = text.replaceAll("ß", "ss").normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = plain.match(/[a-z0-9]+/g) ?? [];
  return words.join("-").slice(0, lengthMax).replace(/-$/, "");
}

function follow(slug, sources, lengthMax) {
  let isOurs = slug.value === "";
  slug.addEventListener("input", () => {
    isOurs = slug.value === "";
  });
  for (const source of sources) {
    source.addEventListener("input", () => {
      if (isOurs) slug.value = makeSlug(sources.map(({ value }) => value).join(" "), lengthMax);
    });
  }
}

for (const { id, dependency_ids: ids, maxLength } of fields) {
  const sources = ids.map((source) => document.querySelector(source));
  follow(document.querySelector(id), sources, maxLength);
}
