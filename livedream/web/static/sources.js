// The source: that of the start, the cameras that are plugged in, and clouds.

import { make, text } from "./dom.js";
import { act, on } from "./link.js";

export function startSources(place) {
  const now = make("p", { class: "quiet", role: "status" });
  const list = make("div", { class: "rows" });
  const look = async () => {
    const answer = await fetch("/sources.json").catch(() => null);
    if (!answer || !answer.ok) return;
    list.replaceChildren(...(await answer.json()).map(([source, name]) =>
      make("button", { class: "source", onclick: () => act({ do: "source", source }) }, make("b", {}, name), make("small", {}, source))));
  };
  const box = make("details", { id: "sources" }, make("summary", {}, "Source"), now, list,
    make("button", { class: "small", onclick: look }, "Look for cameras again"));
  box.addEventListener("toggle", () => box.open && look());
  on("status", status => text(now, status.source ? `now: ${status.source}` : ""));
  place.append(box);
}
