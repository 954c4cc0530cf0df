// Promoting and rolling back: the forms, what they say will happen, the job's progress, and why something was refused.

import { ask, Refused } from "./control.js";
import { openDialog } from "./dialog.js";
import { element } from "./dom.js";
import { watch } from "./jobs.js";
import { lengthText, plan } from "./wish.js";

const WHO = "modelport-who";

for (const form of document.querySelectorAll("form[data-release]")) begin(form);
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    await openDialog(link.href, link, begin);
  } catch {
    location.assign(link.href);
  }
});

function begin(form) {
  const part = (name) => form.querySelector(`[data-${name}]`);
  form.elements.who.value ||= remembered();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, part);
  });
  if (form.dataset.release === "promote") {
    form.addEventListener("input", () => describe(form, part));
    describe(form, part);
  }
}

// What will happen, as the form stands now.
function describe(form, part) {
  const { way, force } = Object.fromEntries(new FormData(form));
  suggest(form.elements.abort_if, way);
  const values = Object.fromEntries(new FormData(form));
  const shown = (item, names) => names.split(" ").includes(way);
  part("plan").hidden = way === "plain";
  for (const item of form.querySelectorAll("[data-for]")) item.hidden = !shown(item, item.dataset.for);
  for (const item of form.querySelectorAll("[data-says]")) item.hidden = !shown(item, item.dataset.says);
  part("force-warning").hidden = !force;
  const [does, forces] = way === "plain" ? ["Promote", "Promote by force"] : ["Begin the rollout", "Begin it by force"];
  form.querySelector("[type=submit]").textContent = force ? forces : does;
  const found = plan(values, 0, "").plan;
  if (!found) return;
  for (const item of form.querySelectorAll("[data-share]")) item.textContent = `${found.steps[0]} %`;
  part("steps").textContent = `${found.steps.join(" %, ")} %, each for ${lengthText(found.every)}`;
  part("rule").textContent = found.abort_if
    ? `If ${found.abort_if}, once it had ${found.min_requests} requests, it is rolled back by itself.`
    : "Nothing rolls it back by itself.";
}

// A rule that suits the kind of rollout, as long as nobody wrote one.
function suggest(field, way) {
  if (field.value !== (field.dataset.suggested ?? field.defaultValue)) return;
  field.value = field.dataset.suggested = way === "shadow" ? "disagreement > 2%" : field.defaultValue;
}

async function send(form, part) {
  const values = Object.fromEntries(new FormData(form));
  const who = values.who.trim();
  if (!who) return refuse(form, part, "Who are you?", "The history says who did it.", "who");
  remember(who);
  const by = { who, why: values.why.trim() };
  part("refused").hidden = true;
  lock(form, true);
  try {
    if (form.dataset.release === "promote") await promote(form, part, values, by);
    else await rollBack(form, by);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    refuse(form, part, error.kind === "conflict" ? "Refused" : "That did not work", error.message, "", error.document.verdicts);
  } finally {
    part("progress").hidden = true;
    lock(form, false);
  }
}

async function promote(form, part, values, by) {
  const { model, version, alias, url, jobs } = form.dataset;
  const wanted = plan(values, Number(version), alias);
  if (wanted.error) return refuse(form, part, "That can't be", wanted.error, wanted.field);
  const job = await ask("POST", url, { version: Number(version), alias, rollout: wanted.plan, force: Boolean(values.force), by });
  const address = `${jobs}/${job.id}`;
  part("stop").onclick = () => ask("DELETE", `${address}?who=${encodeURIComponent(by.who)}`).catch(() => {});
  const over = await watch(address, (record) => progress(part, record));
  const result = over.result ?? {};
  if (over.state === "done") return leave(form, result.rollout ? `${form.dataset.rollouts}/${result.rollout.id}` : form.dataset.done);
  if (over.state === "cancelled") return refuse(form, part, "Stopped", `${model} is as it was.`);
  refuse(form, part, "Not promoted", result.error ?? (over.text || "No reason was given."), "", result.verdicts);
}

async function rollBack(form, by) {
  await ask("POST", form.dataset.url, { alias: form.dataset.alias, by });
  leave(form, form.dataset.done);
}

function progress(part, job) {
  part("progress").hidden = false;
  const bar = part("bar");
  if (job.state === "queued" || !job.total) bar.removeAttribute("value");
  else {
    bar.max = job.total;
    bar.value = job.done;
  }
  const words = job.cancelling ? "stopping" : job.state === "queued" ? "waiting for a server to take it" : job.text || "working";
  if (part("progress-text").textContent !== words) part("progress-text").textContent = words;
}

function refuse(form, part, title, text, field = "", verdicts = []) {
  part("refused-title").textContent = title;
  part("refused-text").textContent = verdicts?.length ? text.split("\n", 1)[0] : text;
  const list = part("verdicts");
  list.hidden = !verdicts?.length;
  list.replaceChildren(...(verdicts ?? []).map((item) => element(
    "li", { class: item.passed ? "good" : "bad" },
    element("strong", {}, item.passed ? "passed " : "refused "), element("code", {}, item.gate), ` ${item.why}`,
  )));
  part("refused").hidden = false;
  (field && form.elements[field] ? form.elements[field] : part("refused")).focus();
  if (field && form.elements[field]) form.elements[field].setAttribute("aria-invalid", "true");
}

function lock(form, is) {
  form.setAttribute("aria-busy", String(is));
  form.querySelector("[type=submit]").disabled = is;
  if (is) for (const item of form.querySelectorAll("[aria-invalid]")) item.removeAttribute("aria-invalid");
}

// The page shows what is so now; the one that it was asked from is not it any more.
function leave(form, address) {
  if (new URL(address, location.href).pathname === location.pathname) location.reload();
  else location.assign(address);
}

function remembered() {
  try { return localStorage.getItem(WHO) ?? ""; } catch { return ""; }
}

function remember(who) {
  try { localStorage.setItem(WHO, who); } catch { /* no storage: asked again the next time */ }
}
