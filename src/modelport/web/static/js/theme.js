// Runs before the first paint: applies the colours that a person chose earlier, and lets them choose.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const store = {
    get: () => { try { return localStorage.getItem("modelport-theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("modelport-theme", value); } catch { /* no storage: for this page only */ } },
  };
  const chosen = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  const show = () => {
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.setAttribute("aria-pressed", String(chosen() === "dark"));
    }
  };

  const stored = store.get();
  if (stored === "dark" || stored === "light") root.dataset.theme = stored;
  dark.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-toggle]")) return;
    root.dataset.theme = chosen() === "dark" ? "light" : "dark";
    store.set(root.dataset.theme);
    show();
  });
})();
