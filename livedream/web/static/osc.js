// OSC: what is heard and said, and every address, to be copied by a click.

import { byId, make, text } from "./dom.js";
import { say } from "./messages.js";

const LOOK_MS = 1000;
let box, monitor, list, head, timer = null, shown = "";

async function copy(words) {
  try { await navigator.clipboard.writeText(words); } catch {
    // Browsers give the clipboard to secure pages only: localhost is one, an address in the network is not.
    const field = make("textarea", { class: "unseen" });
    field.value = words;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  say(`copied ${words}`);
}

async function look() {
  const answer = await fetch("/osc.json").catch(() => null);
  if (!answer || !answer.ok) return text(head, "OSC is off (--osc)");
  const { listens, counts, heard } = await answer.json();
  text(head, `listening at ${listens[0]} port ${listens[1]}: ${counts.received || 0} received, ${counts.refused || 0} refused`);
  const now = JSON.stringify(heard);
  if (now === shown) return;
  shown = now;
  monitor.replaceChildren(...heard.reverse().map(one => make("li", { class: one.verdict ? "error" : one.direction },
    make("time", {}, one.at), `${one.direction === "out" ? "→" : "←"} ${one.peer}  ${one.address} ${one.arguments.join(" ")}${one.verdict ? `: ${one.verdict}` : ""}`)));
}

async function fill() {
  const answer = await fetch("/osc/addresses.json").catch(() => null);
  if (!answer || !answer.ok) return;
  list.replaceChildren(...(await answer.json()).map(([path, types, possible, help]) => make("li", {},
    make("button", { class: "address", title: "Copy", onclick: () => copy(path) }, path),
    make("span", {}, [types, possible, help].filter(Boolean).join(" · ")))));
  find();
}

function find() {
  const wanted = byId("osc-filter").value.trim().toLowerCase();
  for (const line of list.children) line.classList.toggle("missed", Boolean(wanted) && !line.textContent.toLowerCase().includes(wanted));
}

export function startOsc(place) {
  head = make("p", { class: "quiet", role: "status" });
  monitor = make("ol", { class: "log", tabindex: "0", "aria-label": "The last OSC messages" });
  list = make("ul", { class: "addresses", tabindex: "0", "aria-label": "OSC addresses" });
  box = make("details", { id: "osc" }, make("summary", {}, "OSC"), head, monitor,
    make("label", {}, make("span", { class: "unseen" }, "Find an address"),
      make("input", { id: "osc-filter", type: "search", placeholder: "Find an address; a click copies it", oninput: find })), list);
  place.append(box);
  box.addEventListener("toggle", () => { if (box.open) fill(); watchOsc(box.open); });
}

/** Look for messages while they are to be seen. */
export function watchOsc(seen) {
  clearInterval(timer);
  timer = null;
  if (!seen || !box.open) return;
  look();
  timer = setInterval(() => document.hidden || look(), LOOK_MS);
}
