// Bars and lines as SVG, drawn at the width they have; pointer and arrow keys say the figures. Pure
// drawing: what is drawn, and in which words, is the caller's.

import { h, put, s } from "./dom.js";

const HEIGHT = 190;
const PAD = { top: 10, right: 4, bottom: 24, left: 54 };

/**
 * A chart. Each point has a label for the axis, a title in full, and one value for each series
 * (null: nothing to draw).
 * @param {{kind: "bars"|"lines", caption: string, series: {name: string, tone: string}[],
 *   points: {label: string, title: string, values: (number|null)[]}[], format: (n: number) => string,
 *   summary: string}} chart
 */
export function chart({ kind, caption, series, points, format, summary }) {
  const plot = h("div", { class: "plot", tabindex: 0, role: "img", "aria-label": `${caption}. ${summary}` });
  const tip = h("div", { class: "tip", hidden: true });
  const said = h("span", { class: "unseen", "aria-live": "polite" });
  const figure = h("figure", { class: "chart" },
    h("figcaption", {}, h("span", { class: "caption" }, caption),
      h("span", { class: "legend" }, series.map(({ name, tone }) => h("span", {}, h("i", { class: `dot ${tone}` }), name)))),
    h("div", { class: "canvas" }, plot, tip), said);
  let at = -1;

  const most = Math.max(1e-9, ...points.map(({ values }) =>
    kind === "bars" ? values.reduce((sum, value) => sum + (value ?? 0), 0) : Math.max(0, ...values.map((value) => value ?? 0))));
  const { step, top } = scale(most);

  function draw() {
    const width = Math.max(220, plot.clientWidth);
    const room = { x: PAD.left, y: PAD.top, width: width - PAD.left - PAD.right, height: HEIGHT - PAD.top - PAD.bottom };
    const y = (value) => room.y + room.height * (1 - value / top);
    const slot = room.width / Math.max(1, points.length);
    const grid = [];
    for (let value = 0; value <= top + step / 2; value += step) {
      grid.push(s("line", { class: value === 0 ? "axis" : "grid", x1: room.x, x2: width - PAD.right, y1: y(value), y2: y(value) }));
      grid.push(s("text", { class: "tick", x: room.x - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)));
    }
    const every = Math.ceil(points.length / Math.max(2, Math.floor(room.width / 64)));
    const labels = points.map(({ label }, index) => index % every === 0
      && s("text", { class: "tick", x: room.x + slot * (index + 0.5), y: HEIGHT - 6, "text-anchor": "middle" }, label));
    const marks = kind === "bars" ? drawBars(points, series, room, slot, y) : drawLines(points, series, room, slot, y);
    const here = at >= 0 && s("rect", { class: "here", x: room.x + slot * at, y: room.y, width: slot, height: room.height });
    put(plot, s("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" },
      grid, here, labels, marks));
  }

  function point(index, loud) {
    at = index;
    const shown = points[index];
    tip.hidden = !shown;
    if (shown) {
      put(tip, h("strong", {}, shown.title), series.map(({ name, tone }, which) =>
        h("span", {}, h("i", { class: `dot ${tone}` }), `${name} `, h("b", {}, shown.values[which] === null ? "–" : format(shown.values[which])))));
      const share = (index + 0.5) / points.length;
      const left = PAD.left + (plot.clientWidth - PAD.left) * share;
      tip.style.insetInlineStart = share < 0.5 ? `${left + 10}px` : "auto";
      tip.style.insetInlineEnd = share < 0.5 ? "auto" : `${plot.clientWidth - left + 10}px`;
      if (loud) put(said, tip.textContent);
    }
    draw();
  }

  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const share = (event.clientX - box.left - PAD.left) / (box.width - PAD.left - PAD.right);
    const index = Math.floor(share * points.length);
    if (index !== at) point(index >= 0 && index < points.length ? index : -1);
  });
  plot.addEventListener("pointerleave", () => point(-1));
  plot.addEventListener("blur", () => point(-1));
  plot.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || points.length === 0) return;
    event.preventDefault();
    point(Math.min(points.length - 1, Math.max(0, (at < 0 ? points.length : at) + by)), true);
  });
  let drawnAt = 0;
  new ResizeObserver(() => {
    if (plot.clientWidth !== drawnAt) draw();
    drawnAt = plot.clientWidth;
  }).observe(plot);
  return figure;
}

// Round steps: 1, 2 or 5 times a power of ten, about four of them.
function scale(most) {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(most < 1 ? 1e-9 : 1, [1, 2, 5, 10].find((times) => times * power >= rough) * power);
  return { step, top: Math.ceil(most / step) * step };
}

function drawBars(points, series, room, slot, y) {
  const width = Math.max(1, Math.min(slot * 0.72, 34));
  return points.map(({ values }, index) => {
    let base = 0;
    return values.map((value, which) => {
      if (!value) return null;
      const bottom = y(base);
      base += value;
      const height = Math.max(1, bottom - y(base));
      return s("rect", { class: `bar ${series[which].tone}`, x: room.x + slot * (index + 0.5) - width / 2, y: bottom - height, width, height, rx: Math.min(2, height / 2) });
    });
  });
}

function drawLines(points, series, room, slot, y) {
  return series.map(({ tone }, which) => {
    const runs = [[]];
    points.forEach(({ values }, index) => {
      if (values[which] === null) runs.push([]);
      else runs.at(-1).push([room.x + slot * (index + 0.5), y(values[which])]);
    });
    return runs.filter((run) => run.length > 0).map((run) => run.length === 1
      ? s("circle", { class: `spot ${tone}`, cx: run[0][0], cy: run[0][1], r: 3 })
      : s("polyline", { class: `line ${tone}`, points: run.map((pair) => pair.join(",")).join(" ") }));
  });
}
