// Draws the charts, follows the state of what is shown, and applies what a reader chooses, all in
// place: only what the server tells otherwise is replaced, and a zoom, a focus, a scrolled table and
// an unfolded one stay.
const EVERY = 2000;
const SELDOM = 4000; // of studies that are over, beside which another may begin
const plotlyAddress = document.currentScript.dataset.plotly;
const live = document.getElementById("live");

let figures = figuresOf(document);
let served = servedBy(document);
let drawings = 0;
let requests = 0;

function figuresOf(page) {
  return JSON.parse(page.getElementById("figures").textContent);
}

function servedBy(page) {
  const blocks = [...page.querySelectorAll("[data-live]")];
  return new Map(blocks.map((block) => [block.id, block.innerHTML]));
}

// ---- charts

function plotly() {
  if (window.Plotly) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src: plotlyAddress, onload: resolve, onerror: reject });
    document.head.append(script);
  });
}

async function drawAll() {
  const drawing = ++drawings;
  document.documentElement.dataset.drawn = "false";
  for (const container of document.querySelectorAll("[data-chart]")) {
    const figure = figures[container.dataset.chart];
    const text = JSON.stringify(figure);
    if (!figure || container.drawnFrom === text) continue;
    await plotly();
    if (drawing !== drawings) return; // another has begun
    figure.layout.uirevision = `of${location.search}`; // a zoom stays as long as nothing else is chosen
    if (container.drawnFrom) {
      container.style.height = `${figure.layout.height}px`;
      await Plotly.react(container, figure.data, figure.layout);
      await makeRoom(container);
      describe(container);
    } else {
      await draw(container, figure);
    }
    container.drawnFrom = text;
    await new Promise((resolve) => setTimeout(resolve, 0)); // the page stays responsive
  }
  if (drawing === drawings) document.documentElement.dataset.drawn = "true";
}

// ---- changes in place

function swap(page, anew) {
  figures = figuresOf(page);
  const now = servedBy(page);
  if ([...now.keys()].join() !== [...served.keys()].join()) {
    replace(document.getElementById("main"), page.getElementById("main"), anew);
  } else {
    for (const [id, html] of now) {
      if (html !== served.get(id)) {
        replace(document.getElementById(id), page.getElementById(id), anew);
      }
    }
  }
  served = now;
  document.title = page.title;
  Object.assign(document.body.dataset, page.body.dataset);
  drawAll();
  document.dispatchEvent(new Event("fresh"));
}

function replace(old, fresh, anew) {
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const open = new Map([...old.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
  const places = [...old.querySelectorAll(".scroll[id]")].map((each) => [
    each.id,
    each.scrollLeft,
    each.scrollTop,
  ]);
  const charts = new Map();
  for (const chart of old.querySelectorAll("[data-chart]")) charts.set(chart.dataset.chart, chart);
  for (const place of fresh.querySelectorAll("[data-chart]")) {
    const chart = charts.get(place.dataset.chart);
    if (!chart || !chart.drawnFrom) continue;
    chart.dataset.description = place.dataset.description;
    place.replaceWith(chart);
    charts.delete(place.dataset.chart);
  }
  for (const chart of charts.values()) if (chart.drawnFrom) Plotly.purge(chart);
  old.replaceChildren(...fresh.childNodes);
  for (const details of old.querySelectorAll("details[id]")) {
    if (open.has(details.id)) details.open = open.get(details.id);
  }
  for (const [id, left, top] of places) {
    const scrolled = document.getElementById(id);
    if (!scrolled) continue;
    scrolled.scrollLeft = left;
    if (!anew) scrolled.scrollTop = scrolled.dataset.top = top; // the rows may come later
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function go(address, push) {
  const request = ++requests;
  document.body.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (request !== requests) return;
    if (push) history.pushState(null, "", address);
    swap(page, push);
  } finally {
    if (request === requests) document.body.removeAttribute("aria-busy");
  }
}

// ---- choices

function chosen(form) {
  const data = [...new FormData(form)];
  const boxes = [...form.querySelectorAll("[data-usual]")];
  const usual = boxes.every((box) => box.checked === (box.dataset.usual === "yes"));
  const query = new URLSearchParams();
  for (let i = 0; i < data.length; i += 1) {
    const [key, value] = data[i];
    if (key === "key") {
      if (value && data[i + 2][1] !== "") data.slice(i, i + 3).forEach((pair) => query.append(...pair));
      i += 2; // a filter is a key, an operator and a value
    } else if (!(key === "column" && usual) && !(key === "group" && !value)) {
      query.append(key, value);
    }
  }
  if (boxes.length && !query.has("group")) query.delete("metric");
  const text = query.toString();
  return text ? `${location.pathname}?${text}` : location.pathname;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-choices]");
  if (form) go(chosen(form), true);
});
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-choices]");
  if (!form) return;
  event.preventDefault();
  go(chosen(form), true);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-go]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.href, true);
});
addEventListener("popstate", () => go(location.href, false));

// ---- following

function say(text) {
  if (live.textContent !== text) live.textContent = text;
}

// Returns in how many milliseconds to look again; 0 when there is nothing more to come.
async function look() {
  const { state, mark } = document.body.dataset;
  let told;
  try {
    told = await (await fetch(state)).json();
  } catch {
    say("Thalweg does not answer; this page shows what it told last.");
    return EVERY;
  }
  if (told.mark !== mark) await go(location.href, false).catch(() => {});
  say(told.told || "");
  document.body.dataset.over = told.over ? "yes" : "no";
  if (!told.over || told.mark !== document.body.dataset.mark) return EVERY;
  return document.body.dataset.further ? SELDOM : 0;
}

async function follow() {
  const pause = document.hidden ? EVERY : await look();
  if (pause) setTimeout(follow, pause);
}

drawAll();
if (document.body.dataset.state) {
  const { over, mark, further } = document.body.dataset;
  if (mark === "unfinished") setTimeout(follow, EVERY / 4);
  else if (over === "no" || further) setTimeout(follow, EVERY);
}
