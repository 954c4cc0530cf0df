// Verifying the whole history, on request: with many events it takes a while.

import { ask } from "./control.js";
import { element } from "./dom.js";

const button = document.querySelector("[data-verify]");
const said = document.querySelector("[data-verified]");
const list = document.querySelector("[data-problems]");

button?.addEventListener("click", async () => {
  button.disabled = true;
  said.className = "soft";
  said.textContent = "Going through all events …";
  list.hidden = true;
  try {
    const found = await ask("GET", button.dataset.verify);
    const good = found.problems.length === 0;
    said.className = good ? "good" : "bad";
    said.textContent = good
      ? `Yes: ${found.events.toLocaleString("en")} events, none changed, removed or added. The last is ${found.head}: note it down, and the command line finds it again.`
      : `No. Of ${found.events.toLocaleString("en")} events, or of what they say:`;
    list.hidden = good;
    list.replaceChildren(...found.problems.slice(0, 100).map((problem) => element("li", { class: "bad" }, problem)));
  } catch (error) {
    said.className = "bad";
    said.textContent = error.message;
  }
  button.disabled = false;
});
