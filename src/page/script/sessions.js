
// The table of sessions. Only what fits a look is in the page; the rest comes with "Show more".

const columns = [
  { name: "#", of: (session) => session.id, class: "n" },
  { name: "Result", of: (session) => ["failed", "warning", "ok"].indexOf(session.status) },
  { name: "Start", of: (session) => session.order, class: "time" },
  { name: "Client", of: (session) => session.client },
  { name: "Server", of: (session) => session.name || session.server },
  { name: "User", of: (session) => session.login.user || "" },
  { name: "Files", of: files, class: "n" },
  { name: "Bytes", of: moved_bytes, class: "n" },
  { name: "What happened", of: (session) => session.verdict },
];
let sorted = { column: 0, down: false };
let shown = 0;
let matching = data.sessions;

function files(session) {
  return session.transfers.filter((transfer) => transfer.direction !== "listing").length;
}

function moved_bytes(session) {
  return session.transfers.reduce((sum, transfer) => sum + (transfer.direction === "listing" ? 0 : transfer.bytes), 0);
}

/** All words a session can be found by. */
function words(session) {
  if (session.words === undefined) {
    session.words = [
      session.id, session.client, session.server, session.name, session.login.user, session.login.outcome,
      session.verdict, session.status,
      ...session.transfers.map((transfer) => transfer.path),
      ...session.findings.map((finding) => finding.id + " " + finding.title),
    ].join("\n").toLowerCase();
  }
  return session.words;
}

function table() {
  const head = document.querySelector("#sessions thead");
  const row = make("tr");
  columns.forEach((column, place) => {
    const button = make("button", { type: "button", onclick: () => {
      sorted = { column: place, down: sorted.column === place && !sorted.down };
      select();
    } }, column.name);
    row.append(make("th", { scope: "col", class: column.class }, button));
  });
  head.append(row);
  let typing = 0;
  document.getElementById("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(select, data.sessions.length > 1000 ? 120 : 0);
  });
  document.getElementById("filter").addEventListener("change", select);
  document.getElementById("more").addEventListener("click", () => fill(300));
  select();
}

/** The sessions that match what is searched for, in order. */
function select() {
  const wanted = document.getElementById("search").value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const status = document.getElementById("filter").value;
  matching = data.sessions.filter((session) =>
    (status === "" || session.status === status) && wanted.every((word) => words(session).includes(word)));
  const of = columns[sorted.column].of;
  const way = sorted.down ? -1 : 1;
  matching.sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    return (x < y ? -1 : x > y ? 1 : a.id - b.id) * way;
  });
  document.querySelectorAll("#sessions th").forEach((cell, place) => {
    if (place === sorted.column) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
  document.querySelector("#sessions tbody").replaceChildren();
  shown = 0;
  fill(100);
  document.getElementById("found").textContent = matching.length === data.sessions.length
    ? counted(matching.length, "session", "sessions")
    : matching.length.toLocaleString("en") + " of " + counted(data.sessions.length, "session", "sessions");
}

function fill(count) {
  const body = document.querySelector("#sessions tbody");
  for (const session of matching.slice(shown, shown + count)) body.append(line(session));
  shown = Math.min(shown + count, matching.length);
  const more = document.getElementById("more");
  more.hidden = shown >= matching.length;
  more.textContent = "Show more (" + (matching.length - shown).toLocaleString("en") + ")";
}

function line(session) {
  const row = make("tr", { class: "open" },
    make("td", { class: "n" }, linkTo(session.id, String(session.id))),
    make("td", null, badge(session.status)),
    make("td", { class: "time hide" }, session.start),
    make("td", { class: "hide" }, session.client),
    make("td", { class: "wide wire", title: session.server }, session.name || session.server),
    make("td", { class: "wire wide" }, session.login.user === null ? "" : session.login.user,
      session.login.outcome === "rejected" ? " (rejected)" : ""),
    make("td", { class: "n hide" }, files(session).toLocaleString("en")),
    make("td", { class: "n hide" }, size(moved_bytes(session))),
    make("td", { class: "wire wide" }, session.verdict));
  row.addEventListener("click", (event) => {
    if (event.target.closest("a") === null && String(getSelection()) === "") location.hash = "session-" + session.id;
  });
  return row;
}
