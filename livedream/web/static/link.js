// The socket to the mirror: parts of its state in, actions out. It reconnects by itself.

const SLOWEST_MS = 5000;
const listeners = new Map();
const newest = {};
let socket = null, delay = 250;

/** Call `listener` with each new state of a part, and with the one that is known. */
export function on(part, listener) {
  if (!listeners.has(part)) listeners.set(part, []);
  listeners.get(part).push(listener);
  if (part in newest) listener(newest[part]);
}

/** The newest state of a part. */
export const state = part => newest[part];

/** Ask for an action; false where nobody hears it. */
export function act(action) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(action));
  return true;
}

export const set = (name, value) => act({ do: "set", name, value });

function tell(part, data) {
  newest[part] = data;
  for (const listener of listeners.get(part) || []) listener(data);
}

export function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/control`);
  socket.addEventListener("open", () => { delay = 250; tell("connected", true); });
  socket.addEventListener("message", event => {
    const { part, data } = JSON.parse(event.data);
    tell(part, data);
  });
  socket.addEventListener("close", () => {
    tell("connected", false);
    if (delay > 1000) ask();
    setTimeout(connect, delay * (0.7 + 0.6 * Math.random()));
    delay = Math.min(SLOWEST_MS, delay * 2);
  });
}

/** Why nobody answers: the token may hold no more, or the mirror be closed for the day. */
async function ask() {
  try {
    if ((await fetch("/status.json")).status === 401) location.reload();
    tell("closed", (await (await fetch("/healthz")).json()).state === "closed");
  } catch { tell("closed", false); }
}

/** Post something that is too large for the socket; the answer, or an error with the mirror's own words. */
export async function post(path, body, method = "POST") {
  const answer = await fetch(path, { method, body });
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer.json();
}
