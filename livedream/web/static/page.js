const picture = document.getElementById("picture");
const footer = document.getElementById("status");
let playing = false, refused = false;

// The mirror encodes the stream as long as somebody is connected, so a hidden tab disconnects.
const nothing = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

function play(on) {
  if (on === playing) return;
  playing = on;
  picture.src = on ? "/stream.mjpeg?" + Date.now() : nothing;
}

function say(parts) {
  footer.replaceChildren(...parts.filter(Boolean).map(([tag, text]) => {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  }));
}

const number = value => typeof value === "number" ? value : value && value.p50;
const measure = (value, label, unit) =>
  number(value) ? ["span", `${label} ${Math.round(number(value))} ${unit}`] : null;

async function poll() {
  try {
    const status = await (await fetch("/status.json", { cache: "no-store" })).json();
    document.body.className = "";
    const full = refused && status.viewers >= status.max_viewers;
    if (!full) play(!document.hidden);
    say([
      ["b", status.layer || "livedream"],
      status.network && ["span", status.network],
      measure(status.display_fps, "display", "fps"),
      measure(status.dream_fps, "dream", "fps"),
      measure(status.latency_ms, "latency", "ms"),
      status.source && ["span", status.source],
      full && ["b", `${status.viewers} viewers already; waiting for a free place`],
      status.message && ["span", status.message],
    ]);
  } catch {
    document.body.className = "away";
    playing = false;  // the last picture stays, dimmed
    say([["span", "no answer from the mirror; retrying"]]);
  }
}

picture.addEventListener("error", () => { playing = false; refused = true; });
picture.addEventListener("load", () => { refused = false; });
document.addEventListener("visibilitychange", () => play(!document.hidden));
poll();
setInterval(poll, 1000);
