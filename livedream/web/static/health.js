// How the mirror is, and the last lines of its log; looked at only while they are to be seen.

import { byId, make, text } from "./dom.js";
import { on } from "./link.js";

const LOOK_MS = 2000, MOST_LINES = 200;
let last = 0, timer = null;

const ms = value => value && value.p50 !== undefined ? `${Math.round(value.p50)} ms (99 %: ${Math.round(value.p99)} ms)` : "–";

function whereDreamt(status) {
  const room = status.room || {};
  if (!room.address) return "here";
  if (status.dream_at !== "here") {
    const rate = ((room.up_bytes_s + room.down_bytes_s) / 125000).toFixed(1);
    return `${status.dream_at}, ${Math.round(room.round_trip_ms.p50)} ms, ${rate} Mbit/s`;
  }
  return `here: ${room.reason || "the room is being tried"}`;
}

function facts(status) {
  const rows = [
    ["Display", `${Math.round(status.display_fps)} pictures a second, ${status.renderer}`],
    ["Dream", `${Math.round(status.dream_fps)} ticks a second`],
    ["Latency", ms(status.latency_ms)],
    ["Between pictures", ms(status.interval_ms)],
    ["Network", status.network], ["Runs on", status.backend], ["Made", whereDreamt(status)],
    ["Dreamt at", (status.working_size || []).join(" × ")], ["Picture", (status.picture_size || []).join(" × ")],
    ["Source", status.source], ["Frames dropped", status.dropped],
    ["Visitor", status.presence === null ? "not looked for" : status.presence > 0.5 ? "there" : "nobody"],
    ["Memory", `${Math.round(status.rss_mb)} MB`], ["Faults", status.faults],
  ];
  byId("facts").replaceChildren(...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value ?? "–")))));
}

async function look() {
  try {
    const health = await (await fetch("/healthz")).json();
    const degraded = (health.degraded || []).map(trouble => trouble.text);
    const words = health.ok ? degraded.length ? `It goes on, though: ${degraded.join("; ")}` : "The mirror is well"
      : `The mirror is not well: ${(health.why || []).join("; ")}`;
    text(byId("verdict"), words);
    byId("verdict").className = health.ok ? degraded.length ? "fair" : "well" : "ill";
    const { lines, last: newest } = await (await fetch(`/log.json?after=${last}`)).json();
    last = newest;
    const log = byId("log"), atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(...lines.map(([, at, level, words]) => make("li", { class: level }, make("time", {}, at), words)));
    while (log.childElementCount > MOST_LINES) log.firstChild.remove();
    if (atEnd && lines.length) log.scrollTop = log.scrollHeight;
  } catch {
    text(byId("verdict"), "No answer from the mirror");
    byId("verdict").className = "ill";
  }
}

export function startHealth() {
  on("status", facts);
  on("connected", yes => { if (yes) { last = 0; byId("log").replaceChildren(); } });
}

export function watchHealth(seen) {
  clearInterval(timer);
  timer = null;
  if (!seen) return;
  look();
  timer = setInterval(() => document.hidden || look(), LOOK_MS);
}
