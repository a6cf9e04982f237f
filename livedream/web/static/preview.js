// The live picture: one JPEG at a time, the next one asked for when the last is drawn; none in a hidden tab.

import { byId, text } from "./dom.js";

const canvas = byId("picture"), screen = byId("screen");
const context = canvas.getContext("2d", { alpha: false, desynchronized: true });
let socket = null, retry = null;

/** The newest picture as a JPEG, small. */
export function still() {
  return new Promise(resolve => {
    const small = document.createElement("canvas");
    small.width = 320;
    small.height = Math.round(320 * canvas.height / canvas.width);
    small.getContext("2d").drawImage(canvas, 0, 0, small.width, small.height);
    small.toBlob(resolve, "image/jpeg", 0.85);
  });
}

async function draw(data) {
  const image = await createImageBitmap(new Blob([data], { type: "image/jpeg" }));
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
    screen.style.setProperty("--aspect", image.width / image.height);
  }
  context.drawImage(image, 0, 0);
  image.close();
  screen.classList.add("live");
}

function open() {
  if (socket || document.hidden) return;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const mine = socket = new WebSocket(`${scheme}://${location.host}/preview`);
  mine.binaryType = "arraybuffer";
  mine.addEventListener("open", () => mine.send("next"));
  mine.addEventListener("message", async event => {
    try { await draw(event.data); } catch { /* a damaged picture is skipped */ }
    requestAnimationFrame(() => mine.readyState === WebSocket.OPEN && mine.send("next"));
  });
  mine.addEventListener("close", () => {
    if (socket !== mine) return;
    socket = null;
    screen.classList.remove("live");
    clearTimeout(retry);
    retry = setTimeout(open, 1500);
  });
}

export function startPreview() {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return open();
    const old = socket;
    socket = null;
    if (old) old.close();
  });
  open();
}

export function caption(status) {
  const shown = (status.words || []).filter(([, share]) => share >= 0.05).map(([word]) => word);
  text(byId("now"), [status.layer, shown.join(", "), status.source].filter(Boolean).join("  ·  "));
}
