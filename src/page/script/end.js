
// What is shown for which address: `#session-3` is session 3, all else the overview.

function route() {
  const found = /^#session-(\d+)$/.exec(location.hash);
  const one = data.sessions.length === 1 ? data.sessions[0] : null;
  const chosen = found ? byId.get(Number(found[1])) : undefined;
  const session = chosen || one;
  document.getElementById("overview").hidden = chosen !== undefined && one === null;
  document.getElementById("list").hidden = one !== null || chosen !== undefined;
  const place = document.getElementById("session");
  place.hidden = !session;
  if (session) session_view(session);
  else place.replaceChildren();
  if (chosen) {
    if (one === null) place.prepend(make("p", null, make("a", { href: "#" }, "← All sessions")));
    document.getElementById("session-title").focus({ preventScroll: true });
    if (one === null) scrollTo(0, 0);
    else place.scrollIntoView();
  }
}

overview();
table();
route();
addEventListener("hashchange", route);
})();
