// The control page: puts its parts together.

import { startCorners } from "./corners.js";
import { startCues } from "./cues.js";
import { byId, text } from "./dom.js";
import { startHealth, watchHealth } from "./health.js";
import { startLayers } from "./layers.js";
import { act, connect, on, state } from "./link.js";
import { startMessages } from "./messages.js";
import { startMotion } from "./motion.js";
import { watchOsc } from "./osc.js";
import { caption, startPreview } from "./preview.js";
import { startScenes } from "./scenes.js";
import { startSettings } from "./settings.js";
import { startSetup } from "./setup.js";

//: Where the page has room for two columns, the first tab is always to be seen.
const wide = matchMedia("(min-width: 1000px)");
let view = "play";

function show(name) {
  view = wide.matches && name === "play" ? "dream" : name;
  document.body.dataset.view = view;
  for (const tab of document.querySelectorAll("[data-tab]")) {
    const chosen = tab.dataset.tab === view;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  watchHealth(view === "health");
  watchOsc(view === "setup");
}

function startTabs() {
  const tabs = [...document.querySelectorAll("[data-tab]")];
  for (const tab of tabs) {
    tab.setAttribute("aria-controls", `view-${tab.dataset.tab}`);
    tab.addEventListener("click", () => {
      byId("filter").value = "";
      byId("filter").dispatchEvent(new Event("input"));
      show(tab.dataset.tab);
      history.replaceState(null, "", `#${tab.dataset.tab}`);
    });
    tab.addEventListener("keydown", event => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const seen = tabs.filter(other => other.offsetParent);
      const next = seen[(seen.indexOf(tab) + by + seen.length) % seen.length];
      next.focus();
      next.click();
    });
  }
  wide.addEventListener("change", () => show(view));
  const asked = location.hash.slice(1);
  show(tabs.some(tab => tab.dataset.tab === asked) ? asked : "play");
}

function startTransport() {
  for (const button of document.querySelectorAll("[data-toggle]")) {
    button.addEventListener("click", () => act({ do: "toggle", name: button.dataset.toggle }));
  }
  for (const button of document.querySelectorAll("[data-command]")) {
    button.addEventListener("click", () => act({ do: "command", command: button.dataset.command }));
  }
  on("settings", settings => {
    for (const button of document.querySelectorAll("[data-toggle]")) {
      button.setAttribute("aria-pressed", String(settings[button.dataset.toggle]));
    }
    document.body.classList.toggle("black", settings.blackout);
    document.body.classList.toggle("frozen", settings.freeze);
  });
  on("status", status => {
    const record = document.querySelector('[data-command="record"]'), seconds = status.recording_s;
    const runs = seconds !== null && seconds !== undefined;
    record.setAttribute("aria-pressed", String(runs));
    const clock = runs ? `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}` : "Record";
    text(record.querySelector("span"), clock);
  });
}

function startFigures() {
  on("status", status => {
    const parts = [`${Math.round(status.display_fps || 0)} fps`, `dream ${Math.round(status.dream_fps || 0)}`];
    if (status.latency_ms) parts.push(`${Math.round(status.latency_ms.p50)} ms`);
    text(byId("figures"), parts.join("  ·  "));
    caption(status);
  });
  on("closed", yes => yes && text(byId("connection"), "the mirror is closed now; it opens by itself"));
  on("connected", yes => {
    document.body.classList.toggle("away", !yes);
    text(byId("connection"), yes ? "live" : "no connection to the mirror; trying again …");
  });
}

startMessages();
startTransport();
startFigures();
startSettings(["blackout", "freeze", "journey", "corners"]);
startLayers();
startScenes();
startCues();
startSetup();
startMotion();
startCorners();
startHealth();
startTabs();
startPreview();
connect();
// For whoever looks with a browser's tools: what the page knows.
window.livedream = { state };
