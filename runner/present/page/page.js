"use strict";
// A signed link is to one object: the others need their own, which only those who may read the store can make.
if (/[?&](X-Amz-Signature|Signature)=/.test(location.search)) {
  const dead = [...document.querySelectorAll("a[href]")].filter((link) => !/^(#|https?:)/.test(link.getAttribute("href")));
  for (const link of dead) link.removeAttribute("href");
  document.getElementById("alone").hidden = dead.length === 0;
}
// Paper has no folds.
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.case:not([open]), details.fold:not([open]), section > details:not([open])")) {
    fold.open = true;
    fold.dataset.shut = "";
  }
});
addEventListener("afterprint", () => {
  for (const fold of document.querySelectorAll("details[data-shut]")) {
    fold.open = false;
    delete fold.dataset.shut;
  }
});
// A line of the log that is linked to, or found, is shown.
const unfold = (line) => {
  const fold = line?.closest("details.fold");
  if (fold) fold.open = true;
};
const showLinked = () => {
  const line = document.getElementById(location.hash.slice(1));
  if (!line?.closest("details.fold:not([open])")) return;
  unfold(line);
  line.scrollIntoView();
};
addEventListener("hashchange", showLinked);
showLinked();
(() => {
  const input = document.getElementById("search");
  if (!input) return;
  document.getElementById("searching").hidden = false; // without this script it would do nothing
  const lines = [...document.querySelectorAll("#lines .l")];
  const found = document.getElementById("found");
  let text; // of the lines, once somebody searches
  let hits = [];
  let at = -1;
  let waiting; // for the typing to pause

  const show = (next) => {
    if (at >= 0 && hits[at]) hits[at].classList.remove("here");
    if (!hits.length) return;
    at = (next + hits.length) % hits.length;
    hits[at].classList.add("here");
    unfold(hits[at]);
    hits[at].scrollIntoView({ block: "center" });
    found.textContent = `${at + 1} of ${hits.length}`;
  };
  const search = () => {
    clearTimeout(waiting);
    waiting = undefined;
    text ??= lines.map((line) => line.textContent.toLowerCase());
    for (const line of hits) line.classList.remove("hit", "here");
    const wanted = input.value.trim().toLowerCase();
    hits = wanted ? lines.filter((_, i) => text[i].includes(wanted)) : [];
    for (const line of hits) line.classList.add("hit");
    at = -1;
    found.textContent = wanted ? (hits.length ? `${hits.length} ${hits.length === 1 ? "line" : "lines"}` : "not found") : "";
  };
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 120); });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    if (waiting) search();
    show(event.shiftKey ? Math.max(at, 0) - 1 : at + 1);
  });
  document.getElementById("next").addEventListener("click", () => { if (waiting) search(); show(at + 1); });
  document.getElementById("previous").addEventListener("click", () => { if (waiting) search(); show(Math.max(at, 0) - 1); });
})();
