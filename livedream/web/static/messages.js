// What the mirror says: alarms as long as they hold, answers for some seconds.

import { byId, make } from "./dom.js";
import { on } from "./link.js";

const SHOWN_MS = 6000;
let standing = [], passing = [];

function fill() {
  const all = [...standing.map(words => [words, true]), ...passing.filter(([words]) => !standing.includes(words))];
  byId("messages").replaceChildren(...all.map(([words, alarm]) => make("li", { class: alarm ? "alarm" : "" }, words)));
}

/** Show a line for some seconds. */
export function say(words, alarm = false) {
  const line = [words, alarm];
  passing = [...passing.filter(([other]) => other !== words), line].slice(-3);
  fill();
  setTimeout(() => { passing = passing.filter(other => other !== line); fill(); }, SHOWN_MS);
}

export function startMessages() {
  on("messages", lines => { standing = lines; fill(); });
  on("refusal", reason => say(reason, true));
}
