// The corners of the projection: four handles over the picture, dragged or moved by arrow keys.

import { byId, make, throttled } from "./dom.js";
import { on, set } from "./link.js";
import { specOf } from "./settings.js";

const NAMES = ["top left", "top right", "bottom right", "bottom left"];
const WHOLE = [[0, 0], [100, 0], [100, 100], [0, 100]];
//: The screen is drawn smaller than the picture, so that there is room for handles, also outside of it.
const INSET = 14;
let points = WHOLE, held = -1;
const send = throttled(50, () => set("corners", written()));

const written = () => points.every((point, n) => point.every((value, axis) => Math.abs(value - WHOLE[n][axis]) < 0.005)) ? ""
  : points.map(([x, y]) => `${Number(x.toFixed(2))},${Number(y.toFixed(2))}`).join(" ");
const read = words => words.trim() ? words.trim().split(/\s+/).map(point => point.split(",").map(Number)) : WHOLE;
const place = value => INSET + value * (100 - 2 * INSET) / 100;

function draw() {
  const all = byId("corners");
  points.forEach(([x, y], n) => {
    all.children[n + 1].style.left = `${place(x)}%`;
    all.children[n + 1].style.top = `${place(y)}%`;
    all.children[n + 1].setAttribute("aria-valuetext", `${x.toFixed(1)} % across, ${y.toFixed(1)} % down`);
  });
  all.querySelector("polygon").setAttribute("points", points.map(([x, y]) => `${place(x)},${place(y)}`).join(" "));
}

function move(n, x, y) {
  const held = value => Math.min(120, Math.max(-20, value));
  points = points.map((point, other) => other === n ? [held(x), held(y)] : point);
  draw();
  send();
}

function handle(name, n) {
  const button = make("button", { role: "slider", class: "corner", "aria-label": `Corner ${name}`, "aria-valuemin": -20, "aria-valuemax": 120, "aria-valuenow": 0,
    onpointerdown: event => { held = n; button.setPointerCapture(event.pointerId); event.preventDefault(); button.focus(); },
    onpointermove: event => {
      if (held !== n) return;
      const box = byId("corners").getBoundingClientRect();
      const of = (at, from, size) => ((at - from) / size * 100 - INSET) * 100 / (100 - 2 * INSET);
      move(n, of(event.clientX, box.left, box.width), of(event.clientY, box.top, box.height));
    },
    onpointerup: () => { held = -1; }, onpointercancel: () => { held = -1; },
    onkeydown: event => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Backspace") move(n, ...WHOLE[n]);
      else if (way) { const step = event.shiftKey ? 1 : 0.1; move(n, points[n][0] + way[0] * step, points[n][1] + way[1] * step); }
      else return;
      event.preventDefault();
    } });
  return button;
}

export function startCorners() {
  const lines = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  lines.setAttribute("viewBox", "0 0 100 100");
  lines.setAttribute("preserveAspectRatio", "none");
  lines.setAttribute("aria-hidden", "true");
  for (const [tag, kind] of [["rect", "whole"], ["polygon", "thrown"]]) {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
    shape.setAttribute("class", kind);
    if (tag === "rect") for (const [name, value] of [["x", INSET], ["y", INSET], ["width", 100 - 2 * INSET], ["height", 100 - 2 * INSET]]) shape.setAttribute(name, value);
    lines.append(shape);
  }
  byId("corners").append(lines, ...NAMES.map(handle));
  byId("pin-corners").addEventListener("click", event => {
    const shown = byId("corners").hidden;
    byId("corners").hidden = !shown;
    event.currentTarget.setAttribute("aria-pressed", String(shown));
    draw();
  });
  on("schema", () => { byId("corner-tools").hidden = !specOf("corners"); });
  on("settings", settings => {
    if (held >= 0 || settings.corners === undefined) return;
    points = read(settings.corners);
    if (!byId("corners").hidden) draw();
  });
}
