// A rollout while it goes on: the page asks for itself once a second and shows what changed; pause, go on, abort.

import { ask, Refused } from "./control.js";

const PAUSE = 1000;
const WHO = "modelport-who";
const announced = document.querySelector("[data-announced]");
const form = document.querySelector("form[data-conduct]");

if (document.querySelector("[data-watched]")) setTimeout(look, PAUSE);

async function look() {
  const before = document.querySelector("[data-live]");
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const now = page.querySelector("[data-live]");
    if (now) show(before, now);
    away(!now);
  } catch {
    away(true);
  }
  if (document.querySelector("[data-watched]")) setTimeout(look, PAUSE);
}

function show(before, now) {
  const changed = before.dataset.state !== now.dataset.state;
  if (before.innerHTML !== now.innerHTML && !before.contains(document.activeElement)) before.replaceWith(now);
  if (!changed) return;
  if (before.isConnected) before.replaceWith(now);
  announced.textContent = now.querySelector(".verdict")?.innerText ?? now.dataset.state;
  if (!form) return;
  form.hidden = !("watched" in now.dataset);
  form.dataset.state = now.dataset.state;
  for (const button of form.querySelectorAll("[data-when]")) button.hidden = button.dataset.when !== now.dataset.state;
}

// What is shown may be old: say so.
function away(is) {
  document.querySelector("[data-live]").classList.toggle("is-old", is);
  if (is) announced.textContent = "The server or its registry is away; the figures are those of before.";
}

if (form) {
  form.elements.who.value ||= stored() ?? "";
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const part = (name) => form.querySelector(`[data-${name}]`);
    const refuse = (title, text) => {
      part("refused-title").textContent = title;
      part("refused-text").textContent = text;
      part("refused").hidden = false;
      part("refused").focus();
    };
    const who = form.elements.who.value.trim();
    if (!who) return form.elements.who.focus(), refuse("Who are you?", "The history says who did it.");
    try { localStorage.setItem(WHO, who); } catch { /* no storage */ }
    const why = form.elements.why.value.trim();
    const state = event.submitter?.value ?? "aborted";
    part("refused").hidden = true;
    try {
      await ask("PATCH", form.dataset.url, { change: { expect_state: form.dataset.state, state, reason: why }, by: { who, why } });
      form.elements.why.value = "";
      look();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refuse("That did not work", error.message);
    }
  });
}

function stored() {
  try { return localStorage.getItem(WHO); } catch { return null; }
}
