"use strict";
// Optuna's figures are drawn when they are first seen: unpacking plotly takes most of a second.
(() => {
  const places = document.querySelectorAll("[data-figure]");
  if (!places.length) return;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  let loading = null;

  async function unpack() {
    const packed = document.getElementById("plotly").textContent;
    const bytes = Uint8Array.from(atob(packed), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const source = await new Response(stream).text();
    (0, eval)(source); // a script element would need its hash in the page's policy
    return window.Plotly;
  }

  async function draw(place) {
    loading = loading || unpack();
    const plotly = await loading;
    const figure = figures[place.dataset.figure];
    place.textContent = "";
    await plotly.newPlot(place, figure.data, figure.layout, { responsive: true, displaylogo: false, displayModeBar: false });
    place.dataset.drawn = "yes";
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      seen.unobserve(entry.target);
      draw(entry.target).catch((error) => {
        entry.target.textContent = "This browser cannot draw the figure: " + error;
      });
    }
  }, { rootMargin: "400px" });
  places.forEach((place) => seen.observe(place));
})();
