// What a person asks for in the form of a promotion, as the control API takes it and in words. Knows nothing of the page.

const UNITS = { s: 1, m: 60, min: 60, h: 3600, d: 86400 };

// "10m" → 600; undefined for what is no length of time.
export function seconds(text) {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d)?\s*$/.exec(text);
  const length = found ? Number(found[1]) * UNITS[found[2] ?? "s"] : 0;
  return length > 0 ? length : undefined;
}

// "5, 25, 100" → [5, 25, 100]; undefined for what does not rise from more than 0 to at most 100.
export function steps(text) {
  const found = text.replaceAll("%", " ").split(/[\s,;]+/).filter(Boolean).map(Number);
  const rises = found.every((step, at) => step > (found[at - 1] ?? 0) && step <= 100);
  return found.length && rises ? found : undefined;
}

// The plan of a rollout from the form's values; { error, field } where one can't be.
export function plan(values, version, alias) {
  if (values.way === "plain") return { plan: null };
  const shares = values.way === "steps" ? steps(values.steps) : steps(values.percent);
  if (!shares) return { error: "Give per cents that rise, above 0 and up to 100.", field: values.way === "steps" ? "steps" : "percent" };
  const every = values.way === "steps" ? seconds(values.every) : 600;
  if (!every) return { error: "Give a length of time: 30s, 10m, 2h.", field: "every" };
  const least = Number(values.min_requests);
  if (!Number.isInteger(least) || least < 1) return { error: "Give a whole number, 1 or more.", field: "min_requests" };
  return {
    plan: {
      candidate: version,
      kind: values.way === "steps" ? "canary" : values.way,
      steps: shares,
      every,
      abort_if: values.abort_if.trim(),
      key: values.key.trim(),
      alias,
      min_requests: least,
    },
  };
}

export function lengthText(length) {
  const unit = length % 3600 === 0 ? ["h", 3600] : length % 60 === 0 ? ["min", 60] : ["s", 1];
  return `${length / unit[1]} ${unit[0]}`;
}
