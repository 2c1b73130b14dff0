"use strict";
(() => {
  const all = (what) => [...document.querySelectorAll(what)];
  // How long ago, as of now rather than when the page was written.
  const ago = (seconds) => {
    for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
      if (seconds >= size * (unit === "d" ? 2 : 1)) return `${Math.floor(seconds / size)} ${unit} ago`;
    }
    return "just now";
  };
  const now = Date.now();
  for (const time of all("time")) time.textContent = ago((now - Date.parse(time.dateTime)) / 1000);
  // A run that should have ended since the page was written is lost.
  for (const run of all("[data-deadline]")) {
    if (Date.parse(run.dataset.deadline) > now) continue;
    run.classList.replace("on", "bad");
    if (run.title) run.title = run.title.replace("running", "lost");
    const sign = run.querySelector("[aria-hidden]");
    if (sign) sign.textContent = "?";
    for (const node of [...run.childNodes, ...run.querySelectorAll(".hidden")]) {
      if (node.textContent.trim() === "running") node.textContent = " lost";
    }
  }
  // A signed link is to one object: the others need their own, which only those who may read the store can make.
  if (/[?&](X-Amz-Signature|Signature)=/.test(location.search)) {
    document.getElementById("alone").hidden = false;
    for (const link of all("a.out")) {
      const row = link.dataset.run && document.getElementById("r-" + link.dataset.run);
      if (row) {
        link.setAttribute("href", "#" + row.id);
        continue;
      }
      const text = document.createElement("code");
      const id = link.dataset.run ?? link.closest("tr[id]")?.id.slice(2);
      text.textContent = id ? `runner report ${id} --open` : link.textContent;
      if (link.classList.contains("cell") || link.classList.contains("chip")) {
        link.removeAttribute("href");
        link.title += ` · ${text.textContent}`;
      } else {
        link.replaceWith(text);
      }
    }
  }
  // What a link leads to may be folded.
  const unfold = () => document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
  addEventListener("hashchange", unfold);
  unfold();
  // The filter.
  const input = document.getElementById("filter");
  if (!input) return;
  document.getElementById("filtering").hidden = false;
  const rows = all("tr[data-find]");
  const failed = document.getElementById("onlyfailed");
  const matches = document.getElementById("matches");
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = (failed.checked && row.dataset.failed !== "true") || !words.every((word) => row.dataset.find.includes(word));
      if (!row.hidden && row.closest(".grid")) shown++;
    }
    if (words.length || failed.checked) for (const fold of all("details")) fold.open = true;
    matches.textContent = words.length || failed.checked ? `${shown} ${shown === 1 ? "commit" : "commits"}` : "";
  };
  input.addEventListener("input", filter);
  failed.addEventListener("change", filter);
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      input.focus();
    }
  });
})();
