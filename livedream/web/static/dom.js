// Small helpers to make elements.

/** An element with attributes (a value of null leaves one out) and children; on… are listeners. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export const byId = id => document.getElementById(id);

/** Set a text only where it changes: a screen reader reads what is set. */
export function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/** Two colours that belong to a name, for what has no picture. */
export function colours(name) {
  let hash = 2166136261;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  const hue = (hash >>> 0) % 360;
  return `radial-gradient(circle at 30% 25%, hsl(${hue} 70% 62%), transparent 55%),`
    + `radial-gradient(circle at 75% 80%, hsl(${(hue + 70) % 360} 65% 48%), transparent 60%),`
    + `linear-gradient(140deg, hsl(${(hue + 200) % 360} 45% 30%), hsl(${(hue + 140) % 360} 40% 16%))`;
}

/** At most one call in `ms`, the last one always. */
export function throttled(ms, call) {
  let timer = null, waiting = null, last = 0;
  const run = () => { timer = null; last = performance.now(); call(...waiting); };
  return (...values) => {
    waiting = values;
    if (timer === null) timer = setTimeout(run, Math.max(0, ms - (performance.now() - last)));
  };
}
