
// Routes: `#session-3` shows session 3, any other address the overview.

/** Scroll position of the overview when a session was opened. */
let overviewAt = 0;

function route() {
  const found = /^#session-(\d+)$/.exec(location.hash);
  const one = data.sessions.length === 1 ? data.sessions[0] : null;
  const chosen = found ? byId.get(Number(found[1])) : undefined;
  const session = chosen || one;
  const place = document.getElementById("session");
  const list = document.getElementById("list");
  if (session && !list.hidden) overviewAt = scrollY;
  document.getElementById("overview").hidden = chosen !== undefined && one === null;
  document.querySelectorAll(".plots").forEach((plot) => { plot.hidden = chosen !== undefined && one === null; });
  list.hidden = data.sessions.length < 2 || chosen !== undefined;
  place.hidden = !session;
  playing = null;
  if (session) session_view(session);
  else place.replaceChildren();
  if (one === null) document.title = session ? "Session " + session.id + " · FTP sessions" : "FTP sessions";
  if (chosen) {
    if (one === null) place.prepend(neighbours(session));
    document.getElementById("session-title").focus({ preventScroll: true });
    if (one === null) scrollTo(0, 0);
    else place.scrollIntoView();
  } else if (one === null) {
    scrollTo(0, overviewAt);
  }
}

/** Creates the links to the overview and to the previous and next session in table order. */
function neighbours(session) {
  const at = matching.indexOf(session);
  const [before, after] = at < 0 ? [] : [matching[at - 1], matching[at + 1]];
  return make("nav", { class: "tools", "aria-label": "Sessions" }, make("a", { href: "#" }, "← All sessions"),
    before ? linkTo(before.id, "Session " + before.id) : null, after ? linkTo(after.id, "Session " + after.id + " →") : null);
}

overview();
plots();
table();
route();
addEventListener("hashchange", route);
})();
