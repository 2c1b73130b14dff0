"use strict";
const byId = (id) => document.getElementById(id);
const all = (what, within = document) => [...within.querySelectorAll(what)];
// A signed link is to one object: the others need their own, which only those who may read the store can make.
if (/[?&](X-Amz-Signature|Signature)=/.test(location.search)) {
  const dead = all("a[href]").filter((link) => !/^(#|https?:)/.test(link.getAttribute("href")));
  for (const link of dead) link.removeAttribute("href");
  for (const shown of all(".shots, .pair")) shown.hidden = true;
  byId("alone").hidden = dead.length === 0;
}
// runner serve finds the next run when it is asked for it.
if (performance.getEntriesByType("navigation")[0]?.serverTiming?.some((t) => t.name === "runner-serve")) {
  const newer = byId("newer");
  if (newer) {
    newer.href = "next";
    newer.textContent = "next run →";
  }
}
// Paper has no folds.
addEventListener("beforeprint", () => {
  makeAll();
  for (const fold of all("details.case:not([open]), details.fold:not([open]), section > details:not([open])")) {
    fold.open = true;
    fold.dataset.shut = "";
  }
});
addEventListener("afterprint", () => {
  for (const fold of all("details[data-shut]")) {
    fold.open = false;
    delete fold.dataset.shut;
  }
});
// What is linked to, or found, is shown, also within folds.
const unfold = (node) => {
  for (let fold = node?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
};
// Coming into view, what is around it is laid out, and may be higher than was assumed: then it has moved by the next picture.
let shown;
const reveal = (node, block) => {
  shown = node;
  let times = 3;
  const scroll = () => {
    if (shown !== node) return; // another one has been asked for
    node.scrollIntoView({ block });
    if (--times) requestAnimationFrame(scroll);
  };
  scroll();
};
const showLinked = (event) => {
  const id = location.hash.slice(1);
  const isLine = /^L\d+$/.test(id);
  let node = byId(id);
  if (isLine && later.length) {
    makeAll();
    if (!node && byId(id) && event) location.replace(location.hash); // which marks it as what is linked to
    node = byId(id);
  }
  if (isLine) placed = true;
  const missing = byId("elsewhere");
  if (missing) {
    missing.hidden = Boolean(node) || !isLine;
    if (!missing.hidden) {
      const first = byId("lines").dataset.first;
      missing.textContent = `Line ${id.slice(1)} is not on this page, which has the log from line ${first} on: see the raw log.`;
      missing.scrollIntoView();
    }
  }
  if (!node || !/^([tfq]|L)\d+$/.test(id)) return;
  unfold(node);
  reveal(node, id.startsWith("L") ? "center" : "start");
};
addEventListener("hashchange", showLinked);
const lines = byId("lines");
// All but the end of a long log is text at first, in noscript: making its elements would take longer than the rest of the page.
const later = lines ? all("noscript", lines) : [];
const makeNext = () => {
  const next = later.pop(); // the lines before those that are there
  next.outerHTML = next.textContent;
};
const makeAll = () => { while (later.length) makeNext(); };
// The log is shown from its error on, else its end. What comes into view gets another height than it had before.
let placed = false; // by what is linked to, by a search or by a person
const showTail = () => {
  if (placed) return;
  const error = lines.querySelector(".l.e");
  if (error?.checkVisibility()) lines.scrollTop += error.getBoundingClientRect().top - lines.getBoundingClientRect().top - lines.clientHeight / 4;
  else lines.scrollTop = lines.scrollHeight;
};
if (byId("unread")) byId("unread").hidden = true;
if (lines) {
  for (const by of ["wheel", "pointerdown", "touchstart", "keydown"]) lines.addEventListener(by, () => { placed = true; }, { once: true, passive: true });
  const idle = window.requestIdleCallback ?? ((does) => setTimeout(() => does({ timeRemaining: () => 0 }), 10));
  const makeSome = (time) => {
    do if (later.length) makeNext(); while (later.length && time.timeRemaining() > 5);
    if (later.length) idle(makeSome);
  };
  requestAnimationFrame(() => { // before the first picture of the page
    if (lines.closest("section").getBoundingClientRect().top < innerHeight) showTail();
  });
  if (later.length) {
    // Once that picture is shown: what draws it needs the processor, too.
    const begin = () => idle(makeSome);
    const shown = new PerformanceObserver(() => {
      shown.disconnect();
      begin();
    });
    shown.observe({ type: "paint", buffered: true });
    setTimeout(begin, 1000); // should the browser have no such entries
  }
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((s) => s.isIntersecting)) return;
    observer.disconnect();
    makeAll();
    showTail();
    requestAnimationFrame(showTail);
  }, { rootMargin: "600px" }).observe(lines);
}
if (location.hash) showLinked();
lines?.addEventListener("click", (event) => {
  if (!event.target.matches(".at")) return;
  event.preventDefault(); // it is in the title of a fold
  location.hash = event.target.parentElement.id;
});
// The search of the log.
let focusSearch = () => {};
if (byId("search")) (() => {
  const input = byId("search");
  byId("searching").hidden = false; // without this script it would do nothing
  focusSearch = () => { byId("log").scrollIntoView(); input.focus({ preventScroll: true }); input.select(); };
  let rows; // of the log, from the first search
  let text;
  const found = byId("found");
  let hits = [];
  let at = -1;
  let waiting; // for the typing to pause
  const show = (next) => {
    if (at >= 0 && hits[at]) hits[at].classList.remove("here");
    if (!hits.length) return;
    at = (next + hits.length) % hits.length;
    hits[at].classList.add("here");
    placed = true;
    unfold(hits[at]);
    reveal(hits[at], "center");
    found.textContent = `${at + 1} of ${hits.length}`;
  };
  const search = () => {
    clearTimeout(waiting);
    waiting = undefined;
    makeAll();
    rows ??= all(".l", lines);
    text ??= rows.map((row) => row.textContent.slice(row.firstChild.textContent.length).toLowerCase());
    for (const row of hits) row.classList.remove("hit", "here");
    const wanted = input.value.trim().toLowerCase();
    hits = wanted ? rows.filter((_, i) => text[i].includes(wanted)) : [];
    for (const row of hits) row.classList.add("hit");
    at = -1;
    const times = hits.length ? text.reduce((n, t) => n + t.split(wanted).length - 1, 0) : 0;
    const more = times > hits.length ? `, ${times} times` : "";
    found.textContent = wanted ? (hits.length ? `${hits.length} ${hits.length === 1 ? "line" : "lines"}${more}` : "not found") : "";
  };
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 120); });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    if (waiting) search();
    show(event.shiftKey ? Math.max(at, 0) - 1 : at + 1);
  });
  byId("next").addEventListener("click", () => { if (waiting) search(); show(at + 1); });
  byId("previous").addEventListener("click", () => { if (waiting) search(); show(Math.max(at, 0) - 1); });
})();
// The list of all tests: unpacked when it comes into view, and drawn a screen at a time.
if (byId("packed")) (() => {
  const box = byId("all");
  const states = [["✗", "failed", "bad"], ["✗", "errored", "bad"], ["~", "flaky", "warn"], ["~", "quarantined", "warn"], ["–", "skipped", "aside"], ["✓", "passed", "good"]];
  const looks = { ".": ["good", 8, "passed"], F: ["bad", 12, "failed"], "~": ["warn", 10, "flaky"], s: ["none", 4, "skipped"] };
  const page = 100;
  const body = box.querySelector("tbody");
  const [text, state, file, time, order, more] = ["bytext", "bystate", "byfile", "bytime", "order", "more"].map(byId);
  let data;
  let chosen = [];
  let drawn = 0;
  const make = (name, attributes, ...content) => {
    const node = /^(svg|path)$/.test(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...content);
    return node;
  };
  const took = (ms) => (ms < 1000 ? `${ms}ms` : ms < 60000 ? `${(ms / 1000).toFixed(1).replace(/\.0$/, "")}s` : `${Math.floor(ms / 60000)}m${Math.round((ms % 60000) / 1000)}s`);
  const strip = (past) => {
    const runs = [...past].filter((o) => o !== "-").length;
    if (runs < 2) return "";
    const words = Object.entries(looks).map(([o, look]) => [past.split(o).length - 1, look[2]]).filter(([n]) => n).map(([n, word]) => `${n} ${word}`);
    const svg = make("svg", { class: "strip", viewBox: `0 0 ${4 * past.length} 12`, width: 4 * past.length, height: 12, role: "img", "aria-label": `last ${runs} runs: ${words.join(", ")}` });
    for (const [outcome, [name, height]] of Object.entries(looks)) {
      let path = "";
      for (let i = 0; i < past.length; i++) if (past[i] === outcome) path += `M${4 * i} 12v-${height}h3v${height}z`;
      if (path) svg.append(make("path", { class: name, d: path }));
    }
    return svg;
  };
  const place = (name) => {
    const path = [box.dataset.within, name].filter((part) => part && part !== ".").join("/");
    if (!box.dataset.source || !/\.\w+$/.test(path) || path.startsWith("/") || path.split("/").includes("..")) return name;
    return make("a", { href: box.dataset.source + path.split("/").map(encodeURIComponent).join("/") }, name);
  };
  const title = (row) => {
    const name = row.class && row.class !== row.file && !row.name.includes(row.class) ? `${row.class} › ${row.name}` : row.name;
    return row.project && !name.includes(`[${row.project}]`) ? `${name} [${row.project}]` : name;
  };
  const draw = () => {
    const next = chosen.slice(drawn, drawn + page);
    drawn += next.length;
    body.append(...next.map((row) => {
      const [sign, word, color] = states[row.state];
      const name = row.anchor ? make("a", { href: `#${row.anchor}` }, row.title) : row.title;
      const below = row.file ? make("span", { class: "file" }, place(row.file)) : "";
      return make("tr", {},
        make("td", { class: color }, make("span", { "aria-hidden": "true" }, sign), make("span", { class: "hidden" }, word)),
        make("td", {}, name, below), make("td", { class: "past" }, strip(row.past)), make("td", { class: "n" }, took(row.ms)));
    }));
    more.hidden = drawn >= chosen.length;
    more.textContent = `Show ${Math.min(page, chosen.length - drawn)} more`;
  };
  const flakiness = (row) => row.past.split("~").length + row.past.split("F").length;
  const filter = () => {
    if (!data) return;
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    chosen = data.filter((row) => (state.value === "" || row.state === Number(state.value)) && (file.value === "" || row.file === file.value) &&
      row.ms >= Number(time.value) && words.every((word) => row.search.includes(word)));
    if (order.value === "slow") chosen.sort((a, b) => b.ms - a.ms);
    if (order.value === "flaky") chosen.sort((a, b) => flakiness(b) - flakiness(a));
    if (order.value === "name") chosen.sort((a, b) => a.title.localeCompare(b.title));
    body.replaceChildren();
    drawn = 0;
    draw();
    const sum = chosen.length === data.length ? `${data.length} tests` : `${chosen.length} of ${data.length} tests`;
    byId("listed").textContent = sum;
  };
  const unpack = async () => {
    const raw = Uint8Array.from(atob(byId("packed").content.textContent), (c) => c.charCodeAt(0));
    const packed = await new Response(new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).json();
    data = packed.rows.map(([f, c, p, name, at, ms, past, anchor]) => {
      const row = { file: packed.files[f], class: packed.classes[c], project: packed.projects[p], name, state: at, ms, past, anchor };
      row.title = title(row);
      row.search = `${row.title}\n${row.file}`.toLowerCase();
      return row;
    });
    body.parentNode.classList.toggle("young", !data.some((row) => strip(row.past)));
    states.forEach(([, word], i) => {
      const n = data.filter((row) => row.state === i).length;
      if (n) state.append(make("option", { value: i }, `${word} (${n})`));
    });
    for (const name of [...new Set(data.map((row) => row.file))].filter(Boolean).sort().slice(0, 1000)) file.append(make("option", { value: name }, name));
    filter();
  };
  const begin = () => {
    if (data !== undefined) return;
    data = null;
    unpack().catch((error) => {
      byId("unlisted").hidden = false;
      byId("unlisted").textContent = `The list of all tests cannot be read: ${error.message}.`;
    });
  };
  byId("unlisted").hidden = true;
  box.hidden = false;
  let typing;
  text.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(filter, 80); });
  for (const by of [state, file, time, order]) by.addEventListener("change", filter);
  more.addEventListener("click", draw);
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((s) => s.isIntersecting)) return;
    observer.disconnect();
    begin();
  }, { rootMargin: "600px" }).observe(box);
})();
// Pictures that differ: one over the other, and a slider between them.
for (const pair of all(".pair")) {
  const views = new Map(all(".view", pair).map((view) => [view.dataset.view, view]));
  const controls = pair.querySelector(".controls");
  const slider = controls.querySelector("input");
  const over = views.get("actual");
  if (!views.has("expected") || !over) continue;
  const show = (name) => {
    for (const [key, view] of views) {
      view.classList.toggle("off", name === "slider" ? key === "difference" : key !== name);
      view.classList.toggle("over", name === "slider" && key === "actual");
    }
    slider.hidden = name !== "slider";
    over.style.clipPath = name === "slider" ? `inset(0 0 0 ${slider.value}%)` : "";
    for (const button of all("button", controls)) button.setAttribute("aria-pressed", String(button.value === name));
  };
  controls.hidden = false;
  pair.classList.add("slides");
  slider.addEventListener("input", () => { over.style.clipPath = `inset(0 0 0 ${slider.value}%)`; });
  for (const button of all("button", controls)) button.addEventListener("click", () => show(button.value));
  show("slider");
}
// The keyboard.
(() => {
  const help = byId("help");
  const at = byId("at");
  let here = -1;
  let fading;
  const go = (step) => {
    makeAll();
    const failures = all("details.case.t, .case.bare[id^=t], #lines .l.e");
    if (!failures.length) return;
    placed = true;
    here = here < 0 ? (step > 0 ? 0 : failures.length - 1) : (here + step + failures.length) % failures.length;
    const node = failures[here];
    unfold(node);
    (node.querySelector("summary") ?? node.querySelector("a") ?? node).focus({ preventScroll: true });
    reveal(node, node.matches(".l") ? "center" : "start");
    at.hidden = false;
    at.textContent = `failure ${here + 1} of ${failures.length}`;
    clearTimeout(fading);
    fading = setTimeout(() => { at.hidden = true; }, 2500);
  };
  const open = () => { if (!help.open) help.showModal(); };
  const keys = { n: () => go(1), p: () => go(-1), "/": focusSearch, t: () => byId("bytext")?.focus(), "?": open };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    const does = keys[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
  byId("keys").hidden = false;
  byId("keys").addEventListener("click", open);
  byId("close").addEventListener("click", () => help.close());
})();
