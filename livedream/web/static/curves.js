// Where a value is on a slider's way, 0 to 1, and back: as livedream/specs.py does it, but in steps.

export function toUnit(spec, value) {
  const { minimum: low, maximum: high } = spec;
  if (spec.curve === "log") {
    const first = low || spec.step;
    return value <= first ? 0 : Math.min(1, Math.log(value / first) / Math.log(high / first));
  }
  return Math.max(0, (value - low) / (high - low));
}

export function fromUnit(spec, unit) {
  const { minimum: low, maximum: high, step } = spec;
  if (spec.zero && unit === 0) return 0;
  let value;
  if (spec.curve === "log") {
    const first = low || step;
    value = unit === 0 ? low : first * (high / first) ** unit;
    if (!spec.whole && value > 20 * step) value = Number(value.toPrecision(3));
    else value = Math.round(value / step * 10) * step / 10;
  } else {
    value = low + Math.round(unit * (high - low) / step) * step;
  }
  if (spec.whole) value = Math.round(value);
  return Number(Math.min(high, Math.max(low, value)).toFixed(6));
}

/** A value as it is written. */
export function words(spec, value) {
  if (spec.kind === "bool") return value ? "on" : "off";
  if (spec.kind !== "int" && spec.kind !== "float") return String(value);
  if (spec.zero && value === 0) return spec.zero;
  const text = spec.whole ? String(value) : String(Number(value.toFixed(value && Math.abs(value) < 0.1 ? 3 : 2)));
  return spec.unit ? `${text} ${spec.unit}` : text;
}

/** A setting's name for people. */
export function title(name) {
  const text = name.replace(/_(s|hz)$/, "").replace(/\bbpm$|_bpm$/, " BPM").replaceAll("_", " ").trim();
  return text[0].toUpperCase() + text.slice(1);
}
