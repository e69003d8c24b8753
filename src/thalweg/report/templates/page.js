// Draws each chart, one a task so that the page stays responsive meanwhile.
const figures = JSON.parse(document.getElementById("figures").textContent);
const containers = [...document.querySelectorAll("[data-chart]")];

function drawNext() {
  const container = containers.shift();
  if (!container) {
    document.documentElement.dataset.drawn = "true";
    return;
  }
  draw(container, figures[container.dataset.chart]).then(() => setTimeout(drawNext, 0));
}
drawNext();

// Drawings keep their size in pixels, so they are fitted to the width of an A4 or Letter sheet, at
// once, as the sheet does not wait; and what is folded away would not be printed.
const SHEET = 660;
let folded = [];

addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((element) => (element.open = true));
  drawings().forEach((element) => {
    element.style.width = `${SHEET}px`;
    Plotly.relayout(element, { width: SHEET });
  });
});
addEventListener("afterprint", () => {
  folded.forEach((element) => (element.open = false));
  drawings().forEach((element) => {
    element.style.width = "";
    Plotly.relayout(element, { width: null, autosize: true });
  });
});

function drawings() {
  return [...document.querySelectorAll("[data-chart]")].filter((element) => element.layout);
}
