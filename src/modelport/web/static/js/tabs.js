// Tab lists by the keyboard pattern that screen readers know: arrows, Home and End move, the chosen tab is in the tab order.

export function tabs(list, chosen) {
  const all = [...list.querySelectorAll('[role="tab"]')];

  const choose = (tab, focus) => {
    for (const item of all) {
      item.setAttribute("aria-selected", String(item === tab));
      item.tabIndex = item === tab ? 0 : -1;
    }
    if (focus) tab.focus();
    chosen(tab);
  };

  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) choose(tab, false);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = all.indexOf(document.activeElement);
    const to = Number.isFinite(step) ? (at + step + all.length) % all.length : step < 0 ? 0 : all.length - 1;
    choose(all[to], true);
  });
  return { choose: (tab) => choose(tab, false) };
}
