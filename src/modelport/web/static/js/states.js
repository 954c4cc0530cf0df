// A page that shows a loading model asks for itself until the states change, and then shows the new ones.
const PAUSE = 2000;

const main = document.querySelector("main[data-watch]");
if (main) setTimeout(look, PAUSE);

async function look() {
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (page.querySelector("main")?.dataset.states !== main.dataset.states) return location.reload();
  } catch { /* the server is away: ask again */ }
  setTimeout(look, PAUSE);
}
