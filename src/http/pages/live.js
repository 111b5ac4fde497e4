// Keeps what is marked live up to date. Without it the page refreshes as a whole.
const live = document.getElementById("live");
let busy = false;
async function refresh() {
  if (busy || document.hidden || live.contains(document.activeElement)) return;
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (!next) return;
    const known = new Set([...live.querySelectorAll("tr[id]")].map((row) => row.id));
    live.replaceChildren(...next.childNodes);
    for (const row of live.querySelectorAll("tr[id]")) row.classList.toggle("new", !known.has(row.id));
  } catch {
    // The next time may be better.
  } finally {
    busy = false;
  }
}
if (live) setInterval(refresh, 4000);
