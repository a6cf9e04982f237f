// What is set up once: guide images, and how other programs reach the mirror.

import { byId, icon, make } from "./dom.js";
import { on, post, set, state } from "./link.js";
import { say } from "./messages.js";
import { startOsc } from "./osc.js";
import { startSources } from "./sources.js";

const LARGEST_BYTES = 20_000_000;
let list, busy;

async function give(files) {
  for (const file of files) {
    if (file.size > LARGEST_BYTES) { say(`${file.name}: too large: up to 20 MB are possible`, true); continue; }
    busy.textContent = `sending ${file.name} …`;
    try {
      const { name } = await post(`/guides?name=${encodeURIComponent(file.name)}`, file);
      say(`guide: ${name}`);
    } catch (error) { say(`${file.name}: ${error.message}`, true); }
  }
  busy.textContent = "";
}

function fill() {
  const now = (state("settings") || {}).guide;
  const tiles = (state("guides") || []).map(({ name, path }) => make("div", { class: "tile" },
    make("button", { class: "scene", "aria-pressed": String(path === now), onclick: () => set("guide", path === now ? "" : path) },
      make("img", { class: "face", src: `/guides/${encodeURIComponent(name)}`, alt: "", loading: "lazy" }),
      make("span", { class: "label" }, name.replace(/-[0-9a-f]{6}$/, ""))),
    make("button", { class: "more", "aria-label": `Take away ${name}`, onclick: () => remove(name, path === now) }, "×")));
  list.replaceChildren(...tiles);
}

async function remove(name, used) {
  if (used) set("guide", "");
  try { await post(`/guides?name=${encodeURIComponent(name)}`, null, "DELETE"); } catch (error) { say(error.message, true); }
}

export function startSetup() {
  const input = make("input", { type: "file", accept: "image/jpeg,image/png,image/webp,image/bmp", multiple: "", class: "unseen", id: "guide-file",
    onchange: () => { give([...input.files]); input.value = ""; } });
  const drop = make("label", { class: "drop", for: input.id }, icon("picture"), make("span", {}, "Give an image to dream of"),
    make("small", {}, "JPEG, PNG, WebP or BMP, up to 20 MB. It is made smaller, and nothing but the picture is kept."));
  busy = make("p", { role: "status", class: "quiet" });
  list = make("div", { id: "guides", class: "tiles" });
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, event => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", event => {
    event.preventDefault();
    drop.classList.remove("over");
    give([...event.dataTransfer.files]);
  });
  const places = make("div", { class: "rows folds" });
  startSources(places);
  startOsc(places);
  byId("view-setup").append(make("div", { class: "head" }, make("h2", {}, "Guide images")), input, drop, busy, list,
    places, make("div", { class: "head" }, make("h2", {}, "For other programs")),
    make("ul", { class: "links" }, ...[["/stream.mjpeg", "the live picture (MJPEG)"], ["/snapshot.jpg", "the newest picture"],
      ["/status.json", "all figures and settings"], ["/oscquery", "all OSC addresses"], ["/metrics", "figures for Prometheus"], ["/healthz", "is it well?"]].map(([path, words]) =>
      make("li", {}, make("a", { href: path, target: "_blank", rel: "noopener" }, path), ` ${words}`))));
  let before = "";
  const changed = () => {
    const now = JSON.stringify([state("guides"), (state("settings") || {}).guide]);
    if (now !== before) { before = now; fill(); }
  };
  on("guides", changed);
  on("settings", changed);
}
