
// One session: findings, diagram, steps, transfers and credentials.

function session_view(session) {
  const place = document.getElementById("session");
  const server = session.name ? session.name + " (" + session.server + ")" : session.server;
  place.setAttribute("aria-labelledby", "session-title");
  place.replaceChildren(
    make("h2", { id: "session-title", tabindex: "-1" }, "Session " + session.id, badge(session.status), wire(session.verdict)),
    make("p", { class: "dim wire" }, session.client + " → " + server + " · " + session.start + " · " + duration(session.duration) + inCaptures(session)));
  const diagram = make("div");
  const jump = session.rows === null ? null : player(session, diagram);
  const failure = jump === null ? undefined : session.steps.findLast(([, , outcome]) => outcome === "failed");
  const leads = (finding) => failure !== undefined && finding.step === failure[0];
  if (session.status !== "ok" && failure !== undefined && !session.findings.some(leads)) {
    place.append(make("button", { type: "button", class: "text", onclick: () => jump(failure[0]) }, "Show what failed in the diagram"));
  }
  const findings = [...session.findings, ...findingsAbout(session)].sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
  place.append(...findings.slice(0, 50).map((finding) => finding_view(finding, jump)));
  if (findings.length > 50) place.append(make("p", { class: "dim" }, counted(findings.length - 50, "more finding", "more findings")));
  const transfers = session.transfers.slice(0, 500).map((transfer) => ({ transfer, view: transfer_view(transfer) }));
  place.append(...slowest(transfers));
  place.append(diagram, ...leftOut(session), make("h3", null, "Steps"), steps(session, jump));
  if (transfers.length > 0) {
    place.append(make("h3", null, "Transfers"), make("div", { class: "transfers" }, transfers.map(({ view }) => view)));
  }
  if (session.transfers.length > 500) {
    place.append(make("p", { class: "dim" }, counted(session.transfers.length - 500, "transfer", "transfers") + " more: see the steps"));
  }
  place.append(...logList(session), make("h3", null, "Login and connection"), credentials(session));
}

/** Tells the three transfers that waited longest, each with a button that opens its plot. */
function slowest(transfers) {
  const slow = transfers.filter(({ transfer }) => waited(transfer) !== null)
    .sort((a, b) => b.transfer.plot.waits[0][1] - a.transfer.plot.waits[0][1]);
  return slow.slice(0, 3).map(({ transfer, view }) => make("div", { class: "finding" },
    badge("slow"), " ", make("strong", { class: "wire" }, transfer.path || transfer.verb),
    make("p", null, "It waited " + waited(transfer) + ", and took " + duration(transfer.seconds) + ". ",
      make("button", { type: "button", class: "text", onclick: () => {
        view.open = true;
        view.scrollIntoView();
        view.firstChild.focus({ preventScroll: true });
      } }, "Show the plot"))));
}

/** Names the captures of a session, with the numbers that its frames have in front; "" with a single capture. */
function inCaptures(session) {
  const places = session.captures || [];
  if (places.length === 0) return "";
  const more = places.length > 8 ? " and " + number(places.length - 8) + " more" : "";
  return " · frames of " + places.slice(0, 8).map((place) => (place + 1) + ": " + captureName(place)).join(", ") + more;
}

/** Returns the findings about several sessions that name this one. */
function findingsAbout(session) {
  return data.findings.filter((finding) => (finding.sessions || []).includes(session.id));
}

/** Explains what the diagram omits. */
function leftOut(session) {
  const whole = (detail) => " To draw it whole: ftpscope diagram --session " + session.id + " --detail " + detail;
  const notes = [];
  if (session.rows === null) {
    notes.push("There is no room for the diagram of this session on a page with so many." + whole("messages"));
  } else if (session.rowsLeft > 0) {
    notes.push("The diagram ends early: there is no room on the page for " + number(session.rowsLeft) + " more rows, nor for single packets." + whole("messages"));
  } else if (session.packetsLeft > 0) {
    notes.push("There is no room on the page for " + counted(session.packetsLeft, "single packet", "single packets") + " of this session." + whole("packets"));
  }
  if (session.early) notes.push("It was drawn before it was certain that all of its data connections were over: their last packets may be missing." + whole("packets"));
  if (session.omitted > 0) notes.push(counted(session.omitted, "segment", "segments") + " of it could not be kept and are not in the diagram.");
  return notes.map((text) => make("p", { class: "dim" }, text));
}

function finding_view(finding, jump) {
  const frames = finding.frames.length > 0 ? " Frames: " + finding.frames.map(frameName).join(", ") + "." : "";
  const isOwn = (finding.sessions || []).length === 1;
  const several = isOwn ? [] : (finding.sessions || []).filter((id) => byId.has(id));
  return make("div", { class: "finding " + finding.severity },
    badge(finding.severity), " ", make("strong", { class: "wire" }, finding.title),
    several.length > 0 ? make("p", { class: "dim" }, "About " + counted(finding.sessions.length, "session", "sessions") + ": ",
      several.slice(0, 12).map((id, place) => [place > 0 ? ", " : "", linkTo(id, String(id))]), several.length > 12 ? ", …" : "") : null,
    make("p", { class: "wire" }, finding.explanation),
    make("p", { class: "wire dim" }, finding.advice + frames, " ",
      jump === null || !finding.step ? null
        : make("button", { type: "button", class: "text", onclick: () => jump(finding.step, finding.frames[0]) }, "Show in the diagram")));
}

/** Lists the steps, each with a link to its row in the diagram. */
function steps(session, jump) {
  const claims = claimsBy(CLAIM_STEP, claimsOf(session));
  const body = make("tbody");
  const add = (list) => {
    for (const [place, title, outcome, offset] of list) {
      const text = texts[title];
      body.append(make("tr", null,
        make("td", { class: "n" }, String(place)),
        make("td", { class: "time dim n" }, offset),
        make("td", null, badge(outcome)),
        claims.size === 0 ? null : logCell(claims.get(place) || []),
        make("td", { class: "wire last" }, jump === null ? text
          : make("a", { href: "#session-" + session.id, onclick: (event) => { event.preventDefault(); jump(place); } }, text))));
    }
  };
  add(session.steps.slice(0, 300));
  const table = tableOf(["#", "#At", " Outcome", ...(claims.size === 0 ? [] : [" Log"]), " Step"], body);
  if (session.steps.length > 300) {
    let shown = 300;
    const left = () => "Show " + counted(Math.min(2000, session.steps.length - shown), "more step", "more steps")
      + " of " + number(session.steps.length - shown);
    const button = make("button", { type: "button", onclick: () => {
      add(session.steps.slice(shown, shown + 2000));
      shown += 2000;
      if (shown >= session.steps.length) button.remove();
      else button.textContent = left();
    } }, left());
    table.append(button);
  }
  return table;
}

function transfer_view(transfer) {
  const way = { download: "↓ download, ", upload: "↑ upload, ", listing: "≡ listing, " }[transfer.direction];
  const view = make("details", null, make("summary", null,
    make("b", { class: "wire" }, transfer.path || transfer.verb), " ",
    make("span", { class: "dim" }, way + size(transfer.bytes) + " "), badge(transfer.completeness), slowness(transfer)));
  view.addEventListener("toggle", () => {
    if (!view.open || view.children.length > 1) return;
    view.append(facts([
      ["Command", transfer.verb],
      ["Size", exact(transfer.bytes) + (transfer.missing ? ", " + exact(transfer.missing) + " missing" : "")],
      ["Announced", transfer.announced === undefined ? null : exact(transfer.announced)],
      ["Starts at byte", transfer.offset ? number(transfer.offset) : null],
      ["Took", transfer.seconds === undefined ? null : duration(transfer.seconds) + pace(transfer).replace(/^[^,]*/, "")],
      ["Connection", transfer.mode + ", " + (transfer.type || "type unknown")],
      ["Sent again", transfer.again === undefined ? null : exact(transfer.again)],
      ["Because", transfer.evidence.map((number) => texts[number]).join("; ")],
      ["Looks like", transfer.media],
      ["SHA-256", transfer.sha256 === undefined ? null : make("code", null, transfer.sha256)],
      ["MD5", transfer.md5 === undefined ? null : make("code", null, transfer.md5)],
      ["SHA-1", transfer.sha1 === undefined ? null : make("code", null, transfer.sha1)],
      ["Saved as", transfer.saved],
    ]));
    if (transfer.plot) view.append(transferPlot(transfer));
    if (transfer.entries) view.append(entries(transfer));
    if (transfer.preview) view.append(preview(transfer));
  });
  return view;
}

/** Creates a remark on a transfer that waited for something but the network; null for others. */
function slowness(transfer) {
  const words = waited(transfer);
  return words === null ? null : make("span", { class: "dim" }, " waited " + words);
}

/** Creates the table of a directory listing. */
function entries(transfer) {
  const body = make("tbody");
  for (const [kind, name, bytes, modified, permissions, target] of transfer.entries) {
    body.append(make("tr", null,
      make("td", { class: "wire last" }, name + (kind === "directory" ? "/" : "") + (target ? " → " + target : "")),
      make("td", { class: "n" }, bytes === null ? "" : number(bytes)),
      make("td", { class: "time" }, (modified || "").replace("T", " ")),
      make("td", { class: "mono wire whole" }, permissions || "")));
  }
  const more = transfer.more ? make("p", { class: "dim" }, counted(transfer.more, "entry", "entries") + " more") : null;
  return make("div", null, tableOf([" Name", "#Size", " Modified", " Rights"], body, "listing"), more);
}

/** Creates the preview of a file: the beginning of a text, or a picture. */
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
    ["Login", (login.outcome === "unseen" ? "not seen" : login.outcome) + (login.anonymous ? ", anonymous" : "")
      + (login.attempts > 1 ? ", " + login.attempts + " attempts" : "")],
    ["Encryption", tls === null ? "none" : [tls.version, tls.cipher_suite, tls.decrypted ? "decrypted" : "not decrypted"].filter(Boolean).join(", ")],
    ["Encrypted data", session.encrypted > 0 ? counted(session.encrypted, "connection", "connections") : null],
    ["Ended", session.end + (session.midstream ? "; its beginning was not captured" : "")],
    ...(session.filters === undefined ? [["In Wireshark", make("code", null, session.filter)]]
      : session.filters.map(([place, filter]) => ["In Wireshark, " + captureName(place), make("code", null, filter)])),
  ]);
}
