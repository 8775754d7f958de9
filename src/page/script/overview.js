
// Summary of all sessions: totals, logins, files, problems.

function overview() {
  const totals = data.totals;
  const captures = data.captures;
  const failed = data.sessions.filter((session) => session.status === "failed").length;
  const tile = (count, one, many, bad) => make("li", { class: bad ? "bad" : null },
    make("b", null, typeof count === "string" ? count : number(count)), count === 1 ? one : many);
  document.getElementById("source").append(...source(captures));
  if (data.sessions.length === 1) document.title = data.sessions[0].verdict + " · FTP session";
  document.getElementById("overview").append(
    make("ul", { class: "tiles", "aria-label": "Totals" },
      tile(totals.sessions, "session", "sessions"),
      tile(failed, "failed", "failed", failed > 0),
      tile(totals.transfers, "transfer", "transfers"),
      tile(size(totals.file_bytes), "", "in files"),
      tile(totals.findings, "finding", "findings"),
      tile(totals.packets, "packet", "packets")),
    make("div", { class: "three" },
      make("section", null, make("h2", null, "Who logged in"), logins(), seenCredentials()),
      make("section", null, make("h2", null, "What was moved"), moved()),
      make("section", null, make("h2", null, "What went wrong"), trouble())),
    ...logSection(),
    ...gallery());
}

/** Formats the names of the captures and the period they cover. */
function source(captures) {
  const names = captures.slice(0, 3).map((capture, place) =>
    make("span", { class: "wire", title: capture.path }, captureName(place)));
  const more = captures.length > 3 ? " and " + number(captures.length - 3 + data.moreCaptures) + " more" : "";
  const parts = names.flatMap((name, place) => [place > 0 ? ", " : "", name]);
  const { from: first, to: last } = data;
  if (first === null || last === null) return [...parts, more];
  // Day and zone are shown once if they are the same for both times.
  const same = first.slice(0, 11) === last.slice(0, 11);
  const zone = first.slice(19) === last.slice(19) ? 19 : undefined;
  return [...parts, more, " · ", first === last ? first : first.slice(0, zone) + " – " + last.slice(same ? 11 : 0)];
}

/** Returns the user of a session, or why the user is unknown. */
function userOf(session) {
  if (session.login.user !== null) return session.login.user;
  const failed = session.findings.some((finding) =>
    finding.id === "tls-failed" || (finding.id === "tls-alert" && finding.title.startsWith("TLS failed: ")));
  if (session.tls !== null && !failed) return "encrypted login";
  return session.login.outcome === "unseen" ? "login not in the capture" : "a user not in the capture";
}

/** Lists users with the outcomes of their logins, most sessions first. */
function logins() {
  const users = new Map();
  for (const session of data.sessions) {
    const name = userOf(session);
    const key = name + "\n" + session.login.outcome;
    const known = users.get(key) || { name, login: session.login, from: new Set(), sessions: [] };
    known.sessions.push(session.id);
    known.from.add(session.client.replace(/:\d+$/, ""));
    users.set(key, known);
  }
  const all = [...users.values()].sort((a, b) => b.sessions.length - a.sessions.length);
  return listed(all, "Nobody: there is no FTP session.", (user) => item([
    user.sessions.length > 1 ? seeker(user.name, user.login.user === null ? "" : user.login.user + " " + user.login.outcome)
      : linkTo(user.sessions[0], wire(user.name)),
    user.login.anonymous ? " (anonymous)" : "",
    make("small", null, "from ", [...user.from].slice(0, 2).join(", "),
      user.from.size > 2 ? " and " + number(user.from.size - 2) + " more" : "",
      user.sessions.length > 1 ? " · " + counted(user.sessions.length, "session", "sessions") : ""),
  ], user.login.user === null ? null : badge(user.login.outcome)));
}

/** Creates the table of users, passwords and accounts, equal ones of a server together; null without any. */
function seenCredentials() {
  const seen = new Map();
  for (const session of data.sessions) {
    const { user, password, account, outcome } = session.login;
    if (user === null && password === null && account === null) continue;
    const server = session.name || session.server;
    const row = [user, password, account, server, outcome];
    const key = JSON.stringify(row);
    const known = seen.get(key) || { row, sessions: 0, first: session.id };
    known.sessions += 1;
    seen.set(key, known);
  }
  if (seen.size === 0) return null;
  const body = make("tbody");
  for (const { row, sessions, first } of [...seen.values()].slice(0, 200)) {
    body.append(make("tr", null, row.slice(0, 4).map((text) => make("td", { class: "wire" }, text === null ? "" : text)),
      make("td", null, badge(row[4])), make("td", { class: "n" }, linkTo(first, make("span", { class: "aloud" }, "Session "), String(first)), sessions > 1 ? " and " + number(sessions - 1) + " more" : "")));
  }
  return make("details", { class: "credentials" }, make("summary", null, "Credentials seen (" + number(seen.size) + ")"),
    tableOf([" User", " Password", " Account", " Server", " Login", "#Session"], body),
    seen.size > 200 ? make("p", { class: "dim" }, number(seen.size - 200) + " more: search the sessions") : null);
}

/** Creates the section of transferred pictures, if the page has previews. */
function gallery() {
  const pictures = data.sessions.flatMap((session) => session.transfers
    .filter((transfer) => transfer.preview && transfer.preview.picture).map((transfer) => ({ session, transfer })));
  if (pictures.length === 0) return [];
  const name = ({ transfer }) => (transfer.path || transfer.verb).replace(/^.*\/(?=.)/, "");
  return [make("section", null, make("h2", null, "Pictures"),
    make("ul", { class: "gallery" }, pictures.slice(0, 100).map((one) => make("li", null, linkTo(one.session.id,
      make("img", { src: one.transfer.preview.picture, alt: "", loading: "lazy" }), make("span", { class: "wire clamp" }, name(one)),
      make("small", null, "session " + one.session.id))))),
    pictures.length > 100 ? make("p", { class: "dim" }, counted(pictures.length - 100, "picture", "pictures") + " more: see the sessions") : null)];
}

/** Lists transferred files, largest first. */
function moved() {
  const files = [];
  let listings = 0;
  let idle = 0;
  for (const session of data.sessions) {
    for (const transfer of session.transfers) {
      if (transfer.idle) idle += 1;
      else if (transfer.direction === "listing") listings += 1;
      else files.push({ session, transfer });
    }
  }
  files.sort((a, b) => b.transfer.bytes - a.transfer.bytes);
  const encrypted = data.sessions.reduce((sum, session) => sum + session.encrypted, 0);
  const list = listed(files, encrypted > 0 ? null : "No file.", ({ session, transfer }) => item([
    linkTo(session.id, make("span", { class: "wire clamp" }, transfer.path || transfer.verb)),
    make("small", null, (transfer.direction === "upload" ? "↑ upload, " : "↓ download, ") + size(transfer.bytes)
      + (transfer.offset ? " from byte " + number(transfer.offset) : "") + pace(transfer)),
  ], badge(transfer.completeness)));
  if (data.unmatched.length > 0) {
    const bytes = data.unmatched.reduce((sum, one) => sum + one[2], 0);
    list.append(make("li", null, make("details", null,
      make("summary", null, counted(data.unmatched.length + data.moreUnmatched, "data connection", "data connections")
        + " without a command, " + (data.moreUnmatched > 0 ? "more than " : "") + size(bytes)),
      listed(data.unmatched, null, ([client, server, bytes, completeness, media, frame]) =>
        item([server + " – " + client, make("small", null, size(bytes) + (media ? ", " + media : "") + ", frame " + frameName(frame))],
          badge(completeness))))));
  }
  if (encrypted > 0) list.append(make("li", { class: "dim" }, counted(encrypted, "encrypted data connection", "encrypted data connections")));
  if (listings > 0) list.append(make("li", { class: "dim" }, counted(listings, "listing", "listings")));
  if (idle > 0) list.append(make("li", { class: "dim" }, counted(idle, "transfer", "transfers") + " without data"));
  return list;
}

/** Lists findings and failures of all sessions, equal ones together, worst first. */
function trouble() {
  const all = kindsOfTrouble();
  const serious = all.filter((kind) => kind.rank < 4);
  const minor = all.filter((kind) => kind.rank >= 4);
  const show = ({ finding, sessions }) => {
    const title = make("span", { class: "wire" }, finding.title);
    const known = [...sessions].filter((id) => byId.has(id));
    return item([
      finding.explanation === "" ? make("span", { class: "clamp" }, title) : make("details", null, make("summary", null, title),
        make("p", { class: "wire" }, finding.explanation), make("p", { class: "dim wire" }, finding.advice)),
      data.sessions.length > 1 && known.length > 0 ? make("small", null, known.length > 1 ? "sessions " : "session ",
        known.slice(0, 6).map((id, place) => [place > 0 ? ", " : "", linkTo(id, String(id))]),
        known.length > 6 ? [" and ", seeker(number(known.length - 6) + " more", finding.severity === "failed" || finding.severity === "warning" ? finding.title : finding.id)] : "") : null,
    ], badge(finding.severity));
  };
  const high = serious.filter((kind) => kind.rank === 0).length;
  const slow = slowFiles();
  const nothing = data.sessions.length === 0 && data.attempts.length === 0 ? "Nothing."
    : slow.length > 0 ? null : "Nothing to worry about.";
  const list = listed(serious, nothing, show, Math.min(high, 30));
  if (slow.length > 0) {
    list.append(make("li", null, make("details", { open: slow.length < 7 },
      make("summary", null, counted(slow.length, "transfer", "transfers") + " slowed down"),
      listed(slow, null, ({ session, transfer }) => [
        linkTo(session.id, make("span", { class: "wire clamp" }, transfer.path || transfer.verb)),
        make("small", null, "waited " + waited(transfer) + "; took " + duration(transfer.seconds)),
      ]))));
  }
  for (const warning of data.warnings) {
    list.append(make("li", null, item([wire(warning.message), warning.count > 1 ? " (" + number(warning.count) + " times)" : ""], badge("warning"))));
  }
  if (data.attempts.length > 0) {
    list.append(make("li", null, make("details", null,
      make("summary", null, counted(data.attempts.length + data.moreAttempts, "connection", "connections") + " to port 21 without a byte"),
      listed(data.attempts, null, ([client, server, outcome, frame]) =>
        item([client + " → " + server, make("small", null, "frame " + frameName(frame))], badge(outcome))))));
  }
  if (minor.length > 0) {
    list.append(make("li", null, make("details", null,
      make("summary", null, counted(minor.reduce((sum, kind) => sum + kind.sessions.size, 0), "smaller finding", "smaller findings")), listed(minor, null, show))));
  }
  return list;
}

/**
 * Groups findings by kind and subject, which the title names: a second attacker must not disappear behind the first.
 * A failure or warning without a severe finding is a kind of its own.
 */
function kindsOfTrouble() {
  const worst = ["high", "failed", "medium", "warning", "low", "info"];
  const kinds = new Map();
  const add = (finding, sessions) => {
    const key = finding.severity + "\n" + finding.id + "\n" + finding.title;
    const known = kinds.get(key) || { finding, sessions: new Set(), rank: worst.indexOf(finding.severity) };
    for (const session of sessions) known.sessions.add(session);
    kinds.set(key, known);
  };
  for (const finding of data.findings) add(finding, finding.sessions || []);
  for (const session of data.sessions) {
    const severe = (finding) => severities.indexOf(finding.severity) < 2;
    const covered = session.status === "ok" || session.findings.some(severe)
      || data.findings.some((finding) => severe(finding) && finding.sessions.includes(session.id));
    const same = covered ? undefined : session.findings.find((finding) => session.verdict.includes(finding.title));
    for (const finding of session.findings) {
      if (finding !== same) add(finding, [session.id]);
    }
    if (same !== undefined) add({ ...same, severity: session.status }, [session.id]);
    else if (!covered) add({ severity: session.status, id: "", title: session.verdict, explanation: "", advice: "" }, [session.id]);
  }
  return [...kinds.values()].sort((a, b) => a.rank - b.rank || b.sessions.size - a.sessions.size);
}

/** Lists the transfers that waited for something but the network, longest first. */
function slowFiles() {
  return data.sessions.flatMap((session) => session.transfers.filter((transfer) => waited(transfer) !== null)
    .map((transfer) => ({ session, transfer }))).sort((a, b) => b.transfer.plot.waits[0][1] - a.transfer.plot.waits[0][1]);
}

/** Returns what a transfer waited for most of its time, if that was not the network and is worth a word; else null. */
function waited(transfer) {
  const [kind, seconds, words] = (transfer.plot && transfer.plot.waits[0]) || ["path", 0, ""];
  return kind === "path" || seconds < 0.5 || seconds < transfer.seconds / 3 ? null : words;
}

/** Formats the time and the speed of a transfer that took long enough to have one. */
function pace(transfer) {
  if (transfer.idle || transfer.seconds === undefined || transfer.seconds < 0.01) return "";
  return " in " + duration(transfer.seconds) + ", " + size(Math.round(transfer.bytes / transfer.seconds)) + "/s";
}

/** Creates a list item with a badge at the right. */
const item = (content, badge) => make("div", { class: "item" }, make("div", null, content), badge);

/** Creates a button that searches the table of sessions. */
function seeker(text, words) {
  return make("button", { type: "button", class: "text wire", onclick: () => {
    document.getElementById("search").value = words;
    select();
    document.getElementById("list").scrollIntoView();
    document.getElementById("search").focus({ preventScroll: true });
  } }, text);
}

/** Creates a list of the first six items, or `least` if these are more, with a button for the others. */
function listed(items, nothing, show, least = 0) {
  const list = make("ul", { class: "plain" });
  if (items.length === 0 && nothing !== null) list.append(make("li", { class: "dim" }, nothing));
  let shown = 0;
  const button = make("button", { type: "button", onclick: () => fill(200) });
  const rest = make("li", null, button);
  const fill = (count) => {
    const next = items.slice(shown, shown + count).map((item) => make("li", null, show(item)));
    if (rest.isConnected) rest.before(...next);
    else list.append(...next);
    shown += next.length;
    button.textContent = number(items.length - shown) + " more";
    if (shown < items.length) next[next.length - 1].after(rest);
    else rest.remove();
  };
  fill(Math.max(least, items.length === 7 ? 7 : 6));
  return list;
}
