
// Totals, who logged in, what was moved, what went wrong.

function overview() {
  const totals = data.totals;
  const captures = data.captures;
  const source = captures.map((capture) => capture.path).slice(0, 3).join(", ");
  const more = captures.length > 3 ? " and " + (captures.length - 3) + " more" : "";
  const first = captures.length > 0 ? captures[0].first : null;
  document.getElementById("source").append(wire(source + more), first ? " · " + first : "");
  const tile = (number, word) => make("li", null, make("b", null, number), word);
  const failed = data.sessions.filter((session) => session.status === "failed").length;
  document.getElementById("overview").append(
    make("ul", { class: "tiles", "aria-label": "Totals" },
      tile(totals.sessions.toLocaleString("en"), totals.sessions === 1 ? "session" : "sessions"),
      tile(failed.toLocaleString("en"), "failed"),
      tile(totals.transfers.toLocaleString("en"), totals.transfers === 1 ? "transfer" : "transfers"),
      tile(size(totals.file_bytes), "in files"),
      tile(totals.findings.toLocaleString("en"), totals.findings === 1 ? "finding" : "findings"),
      tile(totals.packets.toLocaleString("en"), totals.packets === 1 ? "packet" : "packets")),
    make("div", { class: "three" },
      make("section", null, make("h2", null, "Who logged in"), logins()),
      make("section", null, make("h2", null, "What was moved"), moved()),
      make("section", null, make("h2", null, "What went wrong"), trouble())));
}

/** Users and how their logins came out, those with most sessions first. */
function logins() {
  const users = new Map();
  for (const session of data.sessions) {
    const login = session.login;
    const name = login.user === null ? "nobody seen" : login.user;
    const key = name + "\n" + login.outcome;
    const known = users.get(key) || { name, login, from: new Set(), sessions: [] };
    known.sessions.push(session.id);
    known.from.add(session.client.replace(/:\d+$/, ""));
    users.set(key, known);
  }
  const all = [...users.values()].sort((a, b) => b.sessions.length - a.sessions.length);
  return listed(all, "No session.", (user) => [
    badge(user.login.outcome), " ",
    linkTo(user.sessions[0], wire(user.name)), user.login.anonymous ? " (anonymous)" : "",
    make("span", { class: "dim" }, " from ", [...user.from].slice(0, 2).join(", "),
      user.from.size > 2 ? " and " + (user.from.size - 2) + " more" : "",
      user.sessions.length > 1 ? ", " + counted(user.sessions.length, "session", "sessions") : ""),
  ]);
}

/** Files, the largest first. */
function moved() {
  const files = [];
  let listings = 0;
  for (const session of data.sessions) {
    for (const transfer of session.transfers) {
      if (transfer.direction === "listing") listings += 1;
      else files.push({ session, transfer });
    }
  }
  files.sort((a, b) => b.transfer.bytes - a.transfer.bytes);
  const list = listed(files, "No file.", ({ session, transfer }) => [
    transfer.direction === "upload" ? "↑ " : "↓ ",
    linkTo(session.id, wire(transfer.path || transfer.verb)),
    make("span", { class: "dim" }, " " + size(transfer.bytes) + " " + (transfer.direction === "upload" ? "uploaded " : "downloaded ")),
    badge(transfer.completeness),
  ]);
  if (data.unmatched.length > 0) {
    const bytes = data.unmatched.reduce((sum, one) => sum + one[2], 0);
    list.append(make("li", null, make("details", null,
      make("summary", null, counted(data.unmatched.length, "data connection", "data connections") + " without a command, " + size(bytes)),
      listed(data.unmatched, "", ([client, server, moved, completeness, media, frame]) => [
        server + " – " + client, make("span", { class: "dim" }, " " + size(moved) + (media ? ", " + media : "") + ", frame " + frame + " "),
        badge(completeness)]))));
  }
  if (listings > 0) list.append(make("li", { class: "dim" }, "and " + counted(listings, "listing", "listings")));
  return list;
}

/** Findings of all sessions, equal ones together, the worst first. */
function trouble() {
  const worst = ["failed", ...severities];
  const kinds = new Map();
  const add = (finding, sessions) => {
    const key = finding.severity + "\n" + finding.id + (sessions.length === 0 ? finding.title : "");
    const known = kinds.get(key) || { finding, sessions: new Set() };
    for (const session of sessions) known.sessions.add(session);
    kinds.set(key, known);
  };
  for (const finding of data.findings) add(finding, finding.sessions || []);
  for (const session of data.sessions) {
    for (const finding of session.findings) add(finding, [session.id]);
    const told = session.findings.some((finding) => severities.indexOf(finding.severity) < 2);
    if (session.status === "failed" && !told) {
      add({ severity: "failed", id: session.verdict, title: session.verdict, explanation: "", advice: "" }, [session.id]);
    }
  }
  const rank = (kind) => worst.indexOf(kind.finding.severity);
  const all = [...kinds.values()].sort((a, b) => rank(a) - rank(b) || b.sessions.size - a.sessions.size);
  const serious = all.filter((kind) => rank(kind) < 3);
  const minor = all.filter((kind) => rank(kind) >= 3);
  const item = ({ finding, sessions }) => [
    badge(finding.severity), " ",
    finding.explanation === "" ? wire(finding.title) : make("details", null,
      make("summary", { class: "wire" }, finding.title,
        sessions.size > 1 ? make("span", { class: "dim" }, " in " + counted(sessions.size, "session", "sessions")) : ""),
      make("p", { class: "wire" }, finding.explanation),
      make("p", { class: "dim wire" }, finding.advice)),
    " ",
    [...sessions].filter((id) => byId.has(id)).slice(0, 6).map((id) => [linkTo(id, "session " + id), " "]),
  ];
  const list = listed(serious, "Nothing of weight.", item);
  const lost = data.warnings.map((warning) =>
    make("li", null, badge("warning"), " ", wire(warning.message), warning.count > 1 ? " (" + warning.count + " times)" : ""));
  list.append(...lost);
  if (data.attempts.length > 0) {
    list.append(make("li", null, make("details", null,
      make("summary", null, counted(data.attempts.length, "connection", "connections") + " to port 21 without a byte"),
      listed(data.attempts, "", ([client, server, outcome, frame]) =>
        [client + " → " + server + " ", badge(outcome), make("span", { class: "dim" }, " frame " + frame)]))));
  }
  if (minor.length > 0) {
    list.append(make("li", null, make("details", null,
      make("summary", null, counted(minor.length, "smaller finding", "smaller findings")), listed(minor, "", item))));
  }
  return list;
}

/** A list of the first eight, and the others behind a button. */
function listed(items, nothing, show) {
  const list = make("ul", { class: "plain" });
  if (items.length === 0 && nothing) list.append(make("li", { class: "dim" }, nothing));
  const fill = (from, to) => {
    for (const item of items.slice(from, to)) list.append(make("li", null, show(item)));
  };
  fill(0, 8);
  if (items.length > 8) {
    let shown = 8;
    const rest = () => items.length - shown;
    const button = make("button", { type: "button", onclick: () => {
      line.remove();
      fill(shown, shown + 200);
      shown += 200;
      if (rest() > 0) { button.textContent = rest().toLocaleString("en") + " more"; list.append(line); }
    } }, rest().toLocaleString("en") + " more");
    const line = make("li", null, button);
    list.append(line);
  }
  return list;
}
