// Draws a chart as a Plotly figure into its container; used by the report and by the application.
function draw(container, { data, layout }) {
  return Plotly.newPlot(container, data, layout, {
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
    .then(() => describe(container));
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
