// What moves by itself: the tempo, and the matrix of sources and settings.

import { title } from "./curves.js";
import { byId, make, text } from "./dom.js";
import { act, on, state } from "./link.js";

let tempo, list, shown = "";

const number = (label, value, low, high, step, change) => make("label", { class: "inline" }, label,
  make("input", { type: "number", value, min: low, max: high, step, onchange: event => change(Number(event.target.value)) }));
const chooser = (label, values, now, change) => make("label", { class: "inline" }, make("span", { class: "unseen" }, label),
  make("select", { onchange: event => change(event.target.value) },
    ...values.map(value => make("option", { value, ...(value === now ? { selected: "" } : {}) }, title(value)))));

function modulation(patch, one, n) {
  const change = values => act({ do: "modulation", number: n, values });
  const lfo = one.source.startsWith("lfo") ? patch.lfos[one.source] || patch.lfo : null;
  const wave = values => act({ do: "lfo", name: one.source, values });
  return make("div", { class: "row modulation" },
    make("div", { class: "top" }, chooser("Source", patch.sources, one.source, source => change({ source })), "→",
      chooser("Setting", patch.settings, one.setting, setting => change({ setting })),
      make("button", { class: "small", "aria-label": `Remove modulation ${n}`, onclick: () => act({ do: "unmodulate", number: n }) }, "×")),
    make("div", { class: "top" }, number("by", one.amount, -1, 1, 0.05, amount => change({ amount })),
      number("in", one.attack_s, 0, 60, 0.1, attack_s => change({ attack_s })), number("out", one.release_s, 0, 60, 0.1, release_s => change({ release_s })), "s"),
    lfo && make("div", { class: "top" }, chooser("Shape", patch.shapes, lfo.shape, shape => wave({ shape })),
      number("every", lfo.period_s, 0.1, 86400, 0.1, period_s => wave({ period_s })), "s, or",
      number("every", lfo.beats, 0, 1024, 1, beats => wave({ beats })), "beats"));
}

function fill(patch) {
  text(tempo, patch.tempo ? `${patch.tempo.toFixed(1)} beats a minute` : "no tempo: tap it");
  const now = JSON.stringify({ ...patch, tempo: 0 });
  if (now === shown || list.contains(document.activeElement) && document.activeElement.matches("input")) return;
  shown = now;
  const add = make("button", { class: "small", onclick: () =>
    act({ do: "modulation", number: patch.modulations.length + 1, values: { source: "lfo1", setting: "strength" } }) }, "Add a modulation");
  list.replaceChildren(...patch.modulations.map((one, n) => modulation(patch, one, n + 1)), add);
}

export function startMotion() {
  tempo = make("p", { class: "tempo", role: "status" });
  list = make("div", { class: "rows" });
  byId("view-motion").append(make("div", { class: "head" }, make("h2", {}, "Tempo"),
    make("button", { class: "small", onclick: () => act({ do: "command", command: "resync" }) }, "First beat now"),
    make("button", { class: "big", onpointerdown: () => act({ do: "command", command: "tap" }),
      onkeydown: event => event.key === "Enter" && act({ do: "command", command: "tap" }) }, "Tap")), tempo,
    make("div", { class: "head" }, make("h2", {}, "What moves what")), list);
  list.addEventListener("focusout", () => setTimeout(() => state("patch") && fill(state("patch"))));
  on("patch", fill);
}
