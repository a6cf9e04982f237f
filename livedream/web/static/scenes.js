// Scenes as tiles: recall, store, rename, delete.

import { byId, colours, icon, make, text } from "./dom.js";
import { act, on, post, state } from "./link.js";
import { still } from "./preview.js";
import { say } from "./messages.js";

const DIGITS = ["", 1, 2, 3, 4, 5, 6, 7, 8, 9];
let named = "";

function face(name, own, pictures) {
  const blank = make("span", { class: "face" });
  blank.style.background = colours(name);
  if (own && !(name in pictures)) return blank;
  const src = own ? `/scenes/picture?scene=${encodeURIComponent(name)}&of=${pictures[name]}`
    : `/static/tiles/scenes/${encodeURIComponent(name)}.jpg`;
  const image = make("img", { class: "face", src, alt: "", loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(blank));
  return image;
}

function recall(scene) {
  const fade = byId("fade").value;
  act({ do: "recall", scene, fade_s: fade === "" ? null : Number(fade) });
}

function fill() {
  const { scenes, scene } = state("scenes") || { scenes: [] };
  const pictures = state("pictures") || {};
  const focused = document.activeElement && document.activeElement.dataset.scene;
  byId("scenes").replaceChildren(...scenes.map(([name, words, key, own]) => {
    const button = make("button", { class: "scene", "data-scene": name, "aria-pressed": String(name === scene), onclick: () => recall(name) },
      face(name, own, pictures), make("span", { class: "label" }, words), key ? make("kbd", { title: `Key ${key}` }, String(key)) : null);
    const more = own ? make("button", { class: "more", "aria-label": `Rename or delete ${words}`, onclick: () => edit(name, words) }, icon("more")) : null;
    return make("div", { class: "tile" }, button, more);
  }));
  if (focused) byId("scenes").querySelector(`[data-scene="${CSS.escape(focused)}"]`)?.focus();
}

function edit(name, words) {
  named = name;
  text(byId("scene-title"), words);
  byId("scene-name").value = name;
  byId("scene-dialog").returnValue = "";
  byId("scene-dialog").showModal();
}

function freeName() {
  const taken = new Set((state("scenes") || { scenes: [] }).scenes.map(([name]) => name));
  let n = 1;
  while (taken.has(`scene ${n}`)) n += 1;
  return `scene ${n}`;
}

async function store() {
  const scene = byId("store-name").value.trim(), key = Number(byId("store-key").value || 0);
  act({ do: "store", scene, key });
  if (!byId("store-picture").checked) return;
  try { await post(`/scenes/picture?scene=${encodeURIComponent(scene)}`, await still()); } catch (error) { say(error.message, true); }
}

export function startScenes() {
  for (const key of DIGITS) byId("store-key").append(make("option", { value: key }, key ? String(key) : "none"));
  byId("store").addEventListener("click", () => {
    byId("store-name").value = freeName();
    byId("store-picture").checked = false;
    byId("store-dialog").returnValue = "";
    byId("store-dialog").showModal();
    byId("store-name").select();
  });
  byId("store-dialog").addEventListener("close", event => { if (event.target.returnValue === "ok") store(); });
  byId("scene-dialog").addEventListener("close", event => {
    const wish = event.target.returnValue, name = byId("scene-name").value.trim();
    if (wish === "rename" && name && name !== named) act({ do: "rename", scene: named, new: name });
    if (wish === "delete") act({ do: "delete", scene: named });
  });
  let before = "";
  const changed = () => {
    const now = JSON.stringify([state("scenes"), state("pictures")]);
    if (now !== before) { before = now; fill(); }
  };
  on("scenes", changed);
  on("pictures", changed);
}
