
// One session: what was found, its diagram, steps, transfers and credentials.

function session_view(session) {
  const place = document.getElementById("session");
  const server = session.name ? session.name + " (" + session.server + ")" : session.server;
  const parts = [
    make("h2", { id: "session-title", tabindex: "-1" }, "Session " + session.id + " ", badge(session.status)),
    make("p", { class: "wire" }, make("strong", null, session.verdict)),
    make("p", { class: "dim wire" }, session.client + " → " + server + " · " + session.start + " · " + duration(session.duration)),
    ...session.findings.slice().sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity)).map(finding_view),
  ];
  place.setAttribute("aria-labelledby", "session-title");
  place.replaceChildren(...parts);
  const jump = session.rows === null ? null : player(session, place);
  place.append(make("h3", null, "Steps"), steps(session, jump));
  if (session.transfers.length > 0) place.append(make("h3", null, "Transfers"), ...session.transfers.slice(0, 500).map(transfer_view));
  if (session.transfers.length > 500) {
    place.append(make("p", { class: "dim" }, counted(session.transfers.length - 500, "transfer", "transfers") + " more: see the steps"));
  }
  place.append(make("h3", null, "Login and connection"), credentials(session));
}

function finding_view(finding) {
  const frames = finding.frames.length > 0 ? " Frames: " + finding.frames.join(", ") + "." : "";
  return make("div", { class: "finding " + finding.severity },
    badge(finding.severity), " ", make("strong", { class: "wire" }, finding.title),
    make("p", { class: "wire" }, finding.explanation),
    make("p", { class: "wire dim" }, finding.advice + frames));
}

/** The steps; each leads to its place in the diagram. */
function steps(session, jump) {
  const body = make("tbody");
  const add = (list) => {
    for (const [number, , title, outcome, offset] of list) {
      const text = texts[title];
      body.append(make("tr", null,
        make("td", { class: "n" }, String(number)),
        make("td", { class: "time dim" }, offset),
        make("td", null, badge(outcome)),
        make("td", { class: "wire" }, jump === null ? text
          : make("a", { href: "#session-" + session.id, onclick: (event) => { event.preventDefault(); jump(number); } }, text))));
    }
  };
  add(session.steps.slice(0, 300));
  const table = make("div", { class: "scroll" }, make("table", null,
    make("thead", null, make("tr", null, ...["#", "At", "Outcome", "Step"].map((name) => make("th", { scope: "col" }, name)))), body));
  if (session.steps.length > 300) {
    const button = make("button", { type: "button", onclick: () => { add(session.steps.slice(300)); button.remove(); } },
      "Show " + counted(session.steps.length - 300, "more step", "more steps"));
    table.append(button);
  }
  return table;
}

function transfer_view(transfer) {
  const way = { download: "↓", upload: "↑", listing: "≡" }[transfer.direction];
  const summary = make("summary", null, way + " ", wire(transfer.path || transfer.verb), " ",
    make("span", { class: "dim" }, transfer.direction + ", " + size(transfer.bytes) + " "), badge(transfer.completeness));
  const view = make("details", { class: "toggle" }, summary);
  view.addEventListener("toggle", () => {
    if (!view.open || view.children.length > 1) return;
    view.append(facts([
      ["Command", transfer.verb],
      ["Size", exact(transfer.bytes) + (transfer.missing > 0 ? ", " + exact(transfer.missing) + " missing" : "")],
      ["Announced", transfer.announced === null ? null : exact(transfer.announced)],
      ["Starts at byte", transfer.offset > 0 ? transfer.offset.toLocaleString("en") : null],
      ["Took", transfer.seconds === null ? null : duration(transfer.seconds)],
      ["Connection", transfer.mode + ", " + transfer.type],
      ["Because", transfer.evidence.join("; ")],
      ["Looks like", transfer.media],
      ["SHA-256", transfer.sha256 === null ? null : make("code", null, transfer.sha256)],
      ["Saved as", transfer.saved],
    ]));
    if (transfer.entries.length > 0) view.append(entries(transfer));
    if (transfer.preview) view.append(preview(transfer));
  });
  return view;
}

/** A listing as a table. */
function entries(transfer) {
  const body = make("tbody");
  for (const [kind, name, bytes, modified, permissions, target] of transfer.entries) {
    body.append(make("tr", null,
      make("td", { class: "wire" }, name + (kind === "directory" ? "/" : "") + (target ? " → " + target : "")),
      make("td", { class: "n" }, bytes === null ? "" : bytes.toLocaleString("en")),
      make("td", { class: "time" }, modified || ""),
      make("td", { class: "mono wire" }, permissions || "")));
  }
  const more = transfer.more > 0 ? make("p", { class: "dim" }, counted(transfer.more, "entry", "entries") + " more") : null;
  return make("div", { class: "scroll" }, make("table", null, make("thead", null, make("tr", null,
    make("th", { scope: "col" }, "Name"), make("th", { scope: "col", class: "n" }, "Size"),
    make("th", { scope: "col" }, "Modified"), make("th", { scope: "col" }, "Rights"))), body), more);
}

/** The beginning of a text, or a picture. */
function preview(transfer) {
  const box = make("div", { class: "preview", role: "region", tabindex: "0", "aria-label": "Preview" });
  if (transfer.preview.picture) {
    box.append(make("img", { src: transfer.preview.picture, alt: "The picture that was transferred", loading: "lazy" }));
  } else {
    box.append(make("pre", { class: "mono wire" }, transfer.preview.text + (transfer.preview.more ? "\n…" : "")));
  }
  return box;
}

function credentials(session) {
  const login = session.login;
  const tls = session.tls;
  return facts([
    ["User", login.user],
    ["Password", login.password],
    ["Account", login.account],
    ["Login", login.outcome + (login.anonymous ? ", anonymous" : "") + (login.attempts > 1 ? ", " + login.attempts + " attempts" : "")],
    ["Encryption", tls === null ? "none" : [tls.version, tls.cipher_suite, tls.decrypted ? "decrypted" : "not decrypted"].filter(Boolean).join(", ")],
    ["Encrypted data", session.encrypted > 0 ? counted(session.encrypted, "connection", "connections") : null],
    ["Ended", session.end + (session.midstream ? "; its beginning was not captured" : "")],
    ["In Wireshark", make("code", null, session.filter)],
  ]);
}
