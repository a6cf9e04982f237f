// The socket to the mirror: parts of its state in, actions out. It reconnects by itself.

const SLOWEST_MS = 5000;
const listeners = new Map();
const newest = {};
let socket = null, delay = 250, since = 0;

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
  socket.addEventListener("open", () => { delay = 250; since = 0; tell("connected", true); });
  socket.addEventListener("message", event => {
    const { part, data } = JSON.parse(event.data);
    tell(part, data);
  });
  socket.addEventListener("close", async () => {
    since = since || Date.now();
    tell("connected", false);
    tell("away", Math.round((Date.now() - since) / 1000));
    // A token that holds no more is asked for again by the page itself.
    if (delay > 1000) fetch("/status.json").then(answer => answer.status === 401 && location.reload(), () => {});
    setTimeout(connect, delay * (0.7 + 0.6 * Math.random()));
    delay = Math.min(SLOWEST_MS, delay * 2);
  });
}

/** Post something that is too large for the socket; the answer, or an error with the mirror's own words. */
export async function post(path, body, method = "POST") {
  const answer = await fetch(path, { method, body });
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer.json();
}
