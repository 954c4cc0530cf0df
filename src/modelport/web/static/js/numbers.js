// Numbers as people read them.

const GROUPED = new Intl.NumberFormat("en", { maximumSignificantDigits: 6, useGrouping: "min2" });

export function numberText(value) {
  if (value === null) return "not a number";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e12) ? value.toExponential(3) : GROUPED.format(value);
}

// A probability in percent; what is nearly sure or nearly impossible is not rounded to it.
export function percentText(value) {
  if (value === null) return "not a number";
  const percent = value * 100;
  if (percent > 0 && percent < 0.1) return "< 0.1 %";
  if (percent < 100 && percent > 99.9) return "> 99.9 %";
  return `${percent.toFixed(1)} %`;
}

export function timeText(milliseconds) {
  return `${milliseconds < 100 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}
