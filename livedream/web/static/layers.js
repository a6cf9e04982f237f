// The strip of layers, each with what it makes of one photograph.

import { byId, colours, make, text } from "./dom.js";
import { on, set, state } from "./link.js";

//: Networks and layers whose picture was found missing.
const missing = new Set();
let shown = "";

function tile(network, layer) {
  const button = make("button", { class: "layer", role: "radio", "aria-checked": "false", "data-layer": layer,
    onclick: () => set("layer", layer), onkeydown: move });
  const path = `/static/tiles/layers/${encodeURIComponent(network)}/${encodeURIComponent(layer)}.jpg`;
  const blank = () => { const face = make("span", { class: "face" }); face.style.background = colours(network + layer); return face; };
  if (missing.has(path)) button.append(blank());
  else {
    const image = make("img", { class: "face", src: path, alt: "", width: 150, height: 100, loading: "lazy" });
    image.addEventListener("error", () => { missing.add(path); image.replaceWith(blank()); });
    button.append(image);
  }
  button.append(make("span", {}, layer.replace(/^inception_/, "").replaceAll("_", " ")));
  return button;
}

function move(event) {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const all = [...byId("layers").children];
  const next = all[(all.indexOf(event.currentTarget) + by + all.length) % all.length];
  next.focus();
  set("layer", next.dataset.layer);
}

function mark() {
  const settings = state("settings"), status = state("status");
  if (!settings) return;
  const travelling = settings.journey && status ? status.layer : "";
  let any = false;
  for (const button of byId("layers").children) {
    const chosen = button.dataset.layer === settings.layer;
    any = any || chosen;
    if (chosen && button.getAttribute("aria-checked") !== "true") button.scrollIntoView({ block: "nearest", inline: "nearest" });
    button.setAttribute("aria-checked", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
    button.classList.toggle("reached", button.dataset.layer === travelling);
  }
  if (!any && byId("layers").firstChild) byId("layers").firstChild.tabIndex = 0;
  text(byId("layers-title"), any ? "Layer" : `Layer: ${settings.layer}`);
}

function fill() {
  const settings = state("settings"), lists = state("lists");
  if (!settings || !lists) return;
  const now = JSON.stringify([settings.network, lists.layer]);
  if (now !== shown) {
    shown = now;
    byId("layers").replaceChildren(...lists.layer.map(layer => tile(settings.network, layer)));
  }
  mark();
}

export function startLayers() {
  on("settings", fill);
  on("lists", fill);
  on("status", mark);
}
