// One row for each setting, made from its metadata: a slider, a switch, buttons, a menu or a field.

import { fromUnit, title, toUnit, words } from "./curves.js";
import { byId, icon, make, text, throttled } from "./dom.js";
import { act, on, set, state } from "./link.js";

const WAY = 1000, SEND_MS = 33, HOLD_MS = 400;
const FIRST_PINS = ["strength", "step_size", "persistence_s", "feedback", "zoom", "vignette"];
//: Buttons have room for so many letters in all; more go into a menu.
const BUTTONS = 34;
const specs = new Map(), rows = [];
let pins = new Set(JSON.parse(localStorage.getItem("pins") || "null") || FIRST_PINS);
let count = 0;

export const specOf = name => specs.get(name);

/** Rows for all settings, each in its group; where the page knows a better place, in `elsewhere`. */
export function startSettings(elsewhere) {
  on("schema", schema => {
    if (specs.size) return;
    for (const spec of schema.settings) specs.set(spec.name, spec);
    for (const spec of specs.values()) {
      if (elsewhere.includes(spec.name)) continue;
      const place = document.querySelector(`[data-group="${spec.group}"]`) || document.querySelector('[data-group="show"]');
      add(place, spec);
    }
    showPins();
  });
  on("settings", values => rows.forEach(row => row.show(values[row.spec.name])));
  on("learn", learn => rows.forEach(row => row.learns(learn)));
  on("lists", lists => rows.forEach(row => row.offer && row.offer(lists[row.spec.name] || [])));
  byId("filter").addEventListener("input", event => filter(event.target.value));
}

function add(place, spec) {
  const row = makeRow(spec);
  rows.push(row);
  place.append(row.element);
  const values = state("settings"), lists = state("lists"), learn = state("learn");
  if (learn) row.learns(learn);
  if (row.offer && lists) row.offer(lists[spec.name] || []);
  if (values) row.show(values[spec.name]);
}

function showPins() {
  for (const old of byId("pinned").children) rows.splice(rows.findIndex(row => row.element === old), 1);
  byId("pinned").replaceChildren();
  for (const spec of specs.values()) if (pins.has(spec.name)) add(byId("pinned"), spec);
}

function pin(name) {
  if (!pins.delete(name)) pins.add(name);
  localStorage.setItem("pins", JSON.stringify([...pins]));
  showPins();
  rows.forEach(row => row.pinned(pins.has(row.spec.name)));
}

function filter(asked) {
  const wanted = asked.trim().toLowerCase();
  document.body.classList.toggle("filtering", Boolean(wanted));
  for (const row of rows) {
    const all = `${row.spec.name.replaceAll("_", " ")} ${row.spec.help}`.toLowerCase();
    row.element.classList.toggle("missed", Boolean(wanted) && !all.includes(wanted));
  }
}

function makeRow(spec) {
  const id = `s${count += 1}`;
  const help = make("div", { class: "help", id: `${id}-help`, hidden: "" }, make("p", {}, `${spec.help[0].toUpperCase()}${spec.help.slice(1)}.`),
    make("p", { class: "possible" }, `${spec.name}: ${spec.possible}; default ${words(spec, spec.default) || "nothing"}`));
  const keep = make("button", { class: "small", onclick: () => pin(spec.name) });
  const learn = make("button", { class: "small learn", hidden: "", onclick: () => act({ do: "learn", name: spec.name }) }, "Learn a MIDI knob");
  help.append(make("div", { class: "buttons" }, keep, learn));
  const name = make("button", { class: "name", id, "aria-expanded": "false", "aria-controls": help.id, onclick: () => {
    help.hidden = !help.hidden;
    name.setAttribute("aria-expanded", String(!help.hidden));
  } }, title(spec.name));
  const reset = make("button", { class: "reset", "aria-label": `${title(spec.name)} to its default`, title: "To its default",
    onclick: () => set(spec.name, spec.default) }, icon("reset"));
  const kind = spec.kind === "int" || spec.kind === "float" ? slider : spec.kind === "bool" ? onOff
    : spec.kind === "choice" ? choice : field;
  const control = kind(spec, id);
  const element = make("div", { class: `row ${control.kind}`, "data-name": spec.name },
    make("div", { class: "top" }, name, reset, control.value || null), control.element, help);
  const row = {
    spec, element, offer: control.offer,
    show(value) {
      if (value === undefined) return;
      reset.classList.toggle("idle", value === spec.default);
      reset.tabIndex = value === spec.default ? -1 : 0;
      control.show(value);
    },
    learns({ can, setting }) {
      learn.hidden = !can;
      element.classList.toggle("learning", can && setting === spec.name);
      text(learn, setting === spec.name ? "Move a knob or press a button …" : "Learn a MIDI knob");
    },
    pinned(yes) { text(keep, yes ? "Not at hand any more" : "Keep at hand"); },
  };
  row.pinned(pins.has(spec.name));
  return row;
}

function slider(spec, id) {
  let value = spec.default, held = false, until = 0;
  const send = throttled(SEND_MS, next => set(spec.name, next));
  const range = make("input", { type: "range", min: 0, max: WAY, step: 1, "aria-labelledby": id, "aria-describedby": `${id}-help`,
    oninput: () => { draw(fromUnit(spec, range.value / WAY), false); send(value); },
    onpointerdown: () => { held = true; },
    ondblclick: () => set(spec.name, spec.default),
    onkeydown: event => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (steps) act({ do: "nudge", name: spec.name, count: steps });
      else if (event.key === "Delete" || event.key === "Backspace") set(spec.name, spec.default);
      else return;
      event.preventDefault();
    } });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    // What comes back meanwhile is older than the hand.
    range.addEventListener(end, () => { if (held) { held = false; until = performance.now() + HOLD_MS; setTimeout(() => draw(confirmed, true), HOLD_MS); } });
  }
  let confirmed = value;
  const number = make("button", { class: "value", "aria-label": `${title(spec.name)}: type a value`, onclick: type });
  function draw(next, moves) {
    value = next;
    text(number, words(spec, value));
    range.setAttribute("aria-valuetext", words(spec, value));
    if (moves) range.value = Math.round(toUnit(spec, value) * WAY);
    const middle = spec.minimum < 0 ? toUnit(spec, 0) : 0, at = range.value / WAY;
    range.style.setProperty("--from", `${Math.min(middle, at) * 100}%`);
    range.style.setProperty("--to", `${Math.max(middle, at) * 100}%`);
  }
  function type() {
    const input = make("input", { class: "value", inputmode: "decimal", "aria-labelledby": id, value: spec.zero && value === 0 ? spec.zero : String(value) });
    let done = false;
    const end = (take, back = true) => {
      if (done) return;
      done = true;
      const typed = input.value.trim().replace(",", ".");
      if (take) set(spec.name, typed === spec.zero && spec.zero ? 0 : typed === "" || Number.isNaN(Number(typed)) ? typed : Number(typed));
      input.replaceWith(number);
      if (back) number.focus();
    };
    input.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();  // the button that comes back must not be pressed by the same key
      end(event.key === "Enter");
    });
    input.addEventListener("blur", () => end(input.value !== input.defaultValue, false));
    number.replaceWith(input);
    input.focus();
    input.select();
  }
  return { kind: "number", element: range, value: number, show(next) {
    confirmed = next;
    if (!held && performance.now() >= until) draw(next, true);
  } };
}

function onOff(spec, id) {
  const button = make("button", { class: "switch", role: "switch", "aria-labelledby": id, "aria-describedby": `${id}-help`,
    onclick: () => act({ do: "toggle", name: spec.name }) }, make("span"));
  return { kind: "bool", element: "", value: button, show: value => button.setAttribute("aria-checked", String(value)) };
}

function choice(spec, id) {
  if (spec.choices.join("").length > BUTTONS) return menu(spec, id);
  const group = make("div", { class: "choices", role: "radiogroup", "aria-labelledby": id, "aria-describedby": `${id}-help` });
  const buttons = spec.choices.map((value, n) => make("button", { role: "radio", onclick: () => set(spec.name, value),
    onkeydown: event => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = (n + by + buttons.length) % buttons.length;
      buttons[next].focus();
      set(spec.name, spec.choices[next]);
    } }, String(value)));
  group.append(...buttons);
  return { kind: "choice", element: group, show: now => buttons.forEach((button, n) => {
    const chosen = spec.choices[n] === now;
    button.setAttribute("aria-checked", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
  }) };
}

function menu(spec, id, options = spec.choices) {
  const select = make("select", { "aria-labelledby": id, "aria-describedby": `${id}-help`,
    onchange: () => set(spec.name, values[select.selectedIndex]) });
  let values = [], now = spec.default;
  const fill = list => {
    values = list.includes(now) ? [...list] : [now, ...list];
    select.replaceChildren(...values.map(value => make("option", {}, label(spec, value))));
    select.selectedIndex = values.indexOf(now);
  };
  fill(options);
  return { kind: "menu", element: select,
    offer: list => list.length && fill(list),
    show(value) { now = value; values.includes(now) ? select.selectedIndex = values.indexOf(now) : fill(values); } };
}

function label(spec, value) {
  if (spec.name === "guide") return value ? value.split(/[\\/]/).pop().replace(/\.\w+$/, "") : "none";
  return value === "" ? "–" : String(value);
}

function field(spec, id) {
  if (spec.name === "network" || spec.name === "guide") return menu(spec, id, []);
  const list = make("datalist", { id: `${id}-list` });
  const input = make("input", { type: "text", list: list.id, "aria-labelledby": id, "aria-describedby": `${id}-help`, autocomplete: "off",
    spellcheck: "false", autocapitalize: "none", placeholder: spec.default === "" ? "–" : spec.default,
    onchange: () => set(spec.name, input.value.trim()),
    onkeydown: event => { if (event.key === "Escape") { input.value = now; input.blur(); } } });
  let now = spec.default;
  return { kind: "text", element: make("div", { class: "field" }, input, list),
    offer: values => list.replaceChildren(...values.filter(Boolean).map(value => make("option", { value }))),
    show(value) { now = value; if (document.activeElement !== input) input.value = value; } };
}
