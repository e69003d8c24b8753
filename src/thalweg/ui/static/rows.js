// A long table of which only the rows in sight, and a few more, are asked for and in the page.
const PAGE = 100;
const SPARE = 15;
const KEPT = 30;

function virtual(region) {
  const table = region.querySelector("table");
  const body = table.tBodies[0];
  const first = body.rows[0];
  const total = Number(region.dataset.total);
  if (!first || total <= body.rows.length) return;
  const height = first.getBoundingClientRect().height;
  const columns = [...table.tHead.rows[0].cells].map((cell) => ({
    name: cell.textContent,
    kind: cell.className,
    width: cell.getBoundingClientRect().width,
  }));
  columns.forEach(({ width }, i) => (table.tHead.rows[0].cells[i].style.width = `${width}px`));
  table.style.width = `${columns.reduce((sum, { width }) => sum + width, 0)}px`;
  table.classList.add("fixed");
  document.querySelector(".turn")?.remove();

  const start = Number(region.dataset.offset);
  const pages = new Map(); // number of a page → its rows, or null while it is asked for
  const shown = new Map(); // number of a row → its element
  const [above, below] = [gap(), gap()];
  body.replaceChildren(above, below);

  function gap() {
    const row = document.createElement("tr");
    row.setAttribute("aria-hidden", "true");
    const cell = row.insertCell();
    cell.colSpan = columns.length;
    cell.className = "gap";
    return row;
  }

  function ask(page) {
    if (pages.has(page)) return;
    pages.set(page, null);
    if (pages.size > KEPT) pages.delete(pages.keys().next().value);
    const address = new URL(region.dataset.rows, location.href);
    address.searchParams.set("offset", page * PAGE);
    fetch(address)
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
      .then((found) => {
        if (!region.isConnected) return;
        pages.set(page, found);
        for (const [i, row] of shown) if (Math.floor(i / PAGE) === page) fill(row, i);
      })
      .catch(() => {
        pages.delete(page);
        setTimeout(show, 1000); // and ask again
      });
  }

  function fill(row, i) {
    const page = pages.get(Math.floor(i / PAGE));
    const texts = page?.rows[i % PAGE];
    columns.forEach(({ name, kind }, j) => {
      const cell = row.cells[j];
      const text = texts ? texts[j] : "…";
      cell.className = kind;
      if (!texts) return cell.replaceChildren(text);
      if (name === "status") {
        const state = document.createElement("span");
        state.className = `state ${text}`;
        state.textContent = text;
        return cell.replaceChildren(state);
      }
      if (name !== "run" && (j > 0 || columns.some((each) => each.name === "run"))) {
        cell.title = text;
        return cell.replaceChildren(text);
      }
      const focused = cell.contains(document.activeElement);
      const link = document.createElement("a");
      link.className = "name";
      link.href = `/runs/${encodeURIComponent(page.runs[i % PAGE])}`;
      link.textContent = name === "run" ? text.slice(0, 10) : text;
      cell.replaceChildren(link);
      if (focused) link.focus({ preventScroll: true });
    });
  }

  function show() {
    if (!region.isConnected) return;
    const top = Math.floor(region.scrollTop / height);
    const from = Math.max(0, top - SPARE);
    const to = Math.min(total, top + Math.ceil(region.clientHeight / height) + SPARE);
    for (const [i, row] of shown) {
      if (i >= from && i < to) continue;
      if (row.contains(document.activeElement)) region.focus({ preventScroll: true });
      row.remove();
      shown.delete(i);
    }
    for (let i = from; i < to; i += 1) {
      if (shown.has(i)) continue;
      const row = document.createElement("tr");
      row.setAttribute("aria-rowindex", i + 2);
      columns.forEach(() => row.insertCell());
      shown.set(i, row);
      fill(row, i);
      (shown.get(i - 1) || above).after(row);
    }
    above.cells[0].style.height = `${from * height}px`;
    below.cells[0].style.height = `${(total - to) * height}px`;
    for (let page = Math.floor(from / PAGE); page <= Math.floor((to - 1) / PAGE); page += 1) ask(page);
  }

  let waiting = false;
  region.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      show();
    });
  });
  addEventListener("resize", show);
  region.refresh = () => {
    pages.clear();
    show();
  };
  above.cells[0].style.height = `${start * height}px`;
  below.cells[0].style.height = `${(total - start) * height}px`;
  region.scrollTop = region.dataset.top ?? start * height;
  show();
}

function attach() {
  const region = document.getElementById("rows");
  if (!region) return;
  if (region.refresh) region.refresh();
  else virtual(region);
}

document.addEventListener("fresh", attach);
attach();
