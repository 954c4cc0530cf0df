// Pages that ask something open in a dialog over the page that one is on; without scripts they are pages of their own.

import { element } from "./dom.js";

// Calls `ready(form, close)` with the content of the page at `address`, shown in a dialog. `opener` gets the focus back.
export async function openDialog(address, opener, ready) {
  const response = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const content = page.querySelector("[data-dialog-content]");
  if (!content) return location.assign(address); // what is wrong stands on the page
  const dialog = element("dialog", { class: "dialog", "aria-labelledby": "release-title" });
  dialog.append(document.adoptNode(content));
  document.body.append(dialog);
  const close = () => dialog.close();
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener.focus();
  });
  dialog.addEventListener("click", (event) => {
    if (!event.target.closest("[data-close]")) return;
    event.preventDefault();
    close();
  });
  dialog.showModal();
  ready(content, close);
}
