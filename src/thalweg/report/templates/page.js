// Draws each chart into its container, one a task so that the page stays responsive meanwhile.
const figures = JSON.parse(document.getElementById("figures").textContent);
const containers = [...document.querySelectorAll("[data-chart]")];

function drawNext() {
  const container = containers.shift();
  if (!container) {
    document.documentElement.dataset.drawn = "true";
    return;
  }
  const { data, layout } = figures[container.dataset.chart];
  Plotly.newPlot(container, data, layout, {
    responsive: true,
    displaylogo: false,
    // Named one by one: the default set has buttons that send data to a service.
    modeBarButtons: [
      layout.scene
        ? ["toImage", "orbitRotation", "pan3d", "resetCameraDefault3d"]
        : ["toImage", "zoom2d", "pan2d", "resetScale2d"],
    ],
  })
    .then(() => makeRoom(container))
    .then(() => {
      describe(container);
      setTimeout(drawNext, 0);
    });
}

// A legend of many rows, on a telephone most of all, gets room of its own below the drawing.
const USUAL_LEGEND = 60;

function makeRoom(container) {
  const legend = container.querySelector("g.legend");
  const more = legend ? Math.round(legend.getBBox().height) - USUAL_LEGEND : 0;
  if (more <= 0) return;
  const height = container.offsetHeight + more;
  container.style.height = `${height}px`;
  return Plotly.relayout(container, { height });
}

// A drawing is one picture to a screen reader; the buttons beside it stay buttons.
function describe(container) {
  const [picture, ...others] = container.querySelectorAll("svg.main-svg");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", container.dataset.description);
  others.forEach((element) => element.setAttribute("aria-hidden", "true"));
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
