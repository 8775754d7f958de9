
// The table of sessions. The document holds the first rows; the button "Show more" adds others.

/** Time zone of all sessions, or "" if it changes, as with daylight saving time. */
const zones = new Set(data.sessions.map((session) => session.start.slice(20)));
const zone = zones.size === 1 ? [...zones][0] : null;

const columns = [
  { name: "#", of: (session) => session.id, class: "n" },
  { name: "Result", of: (session) => ["failed", "warning", "ok"].indexOf(session.status) },
  { name: zone === null ? "Start" : "Start, " + zone, of: (session) => session.order, class: "time" },
  { name: "Client", of: (session) => session.client, class: "from" },
  { name: "Server", of: (session) => session.name || session.server },
  { name: "User", of: (session) => session.login.user || "", class: "who" },
  { name: "Files", of: files, class: "n" },
  { name: "Bytes", of: moved_bytes, class: "n" },
  ...(data.logs === undefined ? [] : [{ name: "Log", of: (session) => worstRank(claimsOf(session)) }]),
  { name: "What happened", of: (session) => session.verdict, class: "last" },
];
let sorted = { column: 0, down: false };
let shown = 0;
let matching = data.sessions;

function files(session) {
  return session.transfers.filter((transfer) => transfer.direction !== "listing" && !transfer.idle).length;
}

function moved_bytes(session) {
  return session.transfers.reduce((sum, transfer) => sum + (transfer.direction === "listing" ? 0 : transfer.bytes), 0);
}

/** Returns the text in which the search looks for words. */
function words(session) {
  if (session.words === undefined) {
    session.words = [
      session.id, session.client, session.server, session.name, session.login.user, session.login.outcome,
      session.verdict, session.status, session.start,
      ...session.transfers.flatMap((transfer) => [transfer.path, transfer.saved, transfer.sha256, transfer.md5, transfer.sha1, transfer.media]),
      ...[...session.findings, ...findingsAbout(session)].map((finding) => finding.id + " " + finding.title),
      // Titles have the banner and what was refused; labels of messages have every command and reply, with its code.
      ...session.steps.map(([, title]) => texts[title]),
      ...(session.rows || []).filter((row) => (row[LEVELS] & 2) !== 0).map((row) => texts[row[LABEL]]),
    ].join("\n").toLowerCase();
  }
  return session.words;
}

function table() {
  const row = make("tr");
  const sort = document.getElementById("sort");
  columns.forEach((column, place) => {
    const button = make("button", { type: "button", onclick: () => {
      sorted = { column: place, down: sorted.column === place && !sorted.down };
      select();
    } }, column.name);
    row.append(make("th", { scope: "col", class: column.class }, button));
    sort.append(make("option", { value: place }, column.name === "#" ? "Number" : column.name));
  });
  document.querySelector("#sessions thead").append(row);
  sort.addEventListener("change", () => {
    sorted = { column: Number(sort.value), down: ["Files", "Bytes"].includes(columns[sort.value].name) };
    select();
  });
  let typing = 0;
  document.getElementById("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(select, data.sessions.length > 1000 ? 120 : 0);
  });
  document.getElementById("filter").addEventListener("change", select);
  document.getElementById("more").addEventListener("click", () => fill(300));
  select();
}

/** Returns the sessions that match the search, in table order. */
function select() {
  const wanted = document.getElementById("search").value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const status = document.getElementById("filter").value;
  matching = data.sessions.filter((session) =>
    (status === "" || session.status === status) && wanted.every((word) => words(session).includes(word)));
  const of = columns[sorted.column].of;
  const way = sorted.down ? -1 : 1;
  const keys = new Map(matching.map((session) => [session, of(session)]));
  matching.sort((a, b) => {
    const [x, y] = [keys.get(a), keys.get(b)];
    return (x < y ? -1 : x > y ? 1 : a.id - b.id) * way;
  });
  document.querySelectorAll("#sessions th").forEach((cell, place) => {
    if (place === sorted.column) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
  document.getElementById("sort").value = sorted.column;
  document.querySelector("#sessions tbody").replaceChildren();
  shown = 0;
  fill(100);
  document.getElementById("none").hidden = matching.length > 0;
  document.getElementById("found").textContent = matching.length === data.sessions.length
    ? counted(matching.length, "session", "sessions")
    : number(matching.length) + " of " + counted(data.sessions.length, "session", "sessions");
}

function fill(count) {
  const body = document.querySelector("#sessions tbody");
  body.append(...matching.slice(shown, shown + count).map(line));
  shown = Math.min(shown + count, matching.length);
  const more = document.getElementById("more");
  more.hidden = shown >= matching.length;
  more.textContent = "Show more (" + number(matching.length - shown) + ")";
}

function line(session) {
  const count = files(session);
  const row = make("tr", { class: "open" },
    make("td", { class: "n" }, linkTo(session.id, make("span", { class: "aloud" }, "Session "), String(session.id))),
    make("td", null, badge(session.status)),
    make("td", { class: "time" }, zone === null ? session.start : session.start.slice(0, 19)),
    make("td", { class: "end from", title: session.client }, session.client),
    make("td", { class: "end wire", title: session.server }, session.name || session.server),
    make("td", { class: "wire who hide", title: session.login.user }, session.login.user === null ? "" : session.login.user),
    make("td", { class: "n hide" }, count === 0 ? "" : number(count)),
    make("td", { class: "n hide" }, count === 0 ? "" : size(moved_bytes(session))),
    data.logs === undefined ? null : logCell(claimsOf(session)),
    make("td", { class: "last" }, make("span", { class: "wire clamp" }, session.verdict)));
  row.addEventListener("click", (event) => {
    if (event.target.closest("a") === null && String(getSelection()) === "") location.hash = "session-" + session.id;
  });
  return row;
}
