// The cue list: where it is, what comes next, GO and back; only where there is one.

import { byId, icon, make, text } from "./dom.js";
import { act, on } from "./link.js";

export function startCues() {
  const now = make("p", { class: "cue", role: "status" });
  const next = make("p", { class: "quiet" });
  const command = name => () => act({ do: "command", command: name });
  const box = make("section", { id: "cues", hidden: "", "aria-label": "Cue list" }, make("div", {}, now, next),
    make("button", { class: "small", onclick: command("back") }, "Back"),
    make("button", { class: "big go", onclick: command("go") }, icon("go"), "GO"));
  byId("view-play").prepend(box);
  on("cue", cue => {
    box.hidden = !cue.count;
    text(now, cue.number ? `${cue.number}/${cue.count}  ${cue.title}` : `${cue.count} cues, GO begins`);
    text(next, cue.next_title ? `next: ${cue.next_title} ${cue.follow}` : cue.number ? "the last" : "");
  });
}
