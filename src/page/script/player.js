
// Stepping through a diagram: buttons, keys, playing; beside it the caption, the state, and the user's console.

/** Puts the player into `place`. Gives a function that jumps to a step. */
function player(session, place) {
  const available = session.rows.some((row) => row[LEVELS] === 4) ? [1, 2, 4] : [1, 2];
  let level = available.includes(1 << data.detail) ? 1 << data.detail : 2;
  let rows = [];
  let drawing = null;
  let current = 0;
  let timer = 0;
  const transcript = consoleOf(session);

  const button = (name, text, act) => make("button", { type: "button", "aria-label": name, title: name, onclick: act }, text);
  const start = button("To the beginning", "|◀", () => go(0, 1));
  const back = button("Step back", "◀ Back", () => go(current - 1, -1));
  const play = button("Play", "Play", () => toggle());
  const forward = button("Step forward", "Step ▶", () => go(current + 1, 1));
  const end = button("To the end", "▶|", () => go(rows.length - 1, -1));
  const speed = make("select", { "aria-label": "Speed" },
    ...[0.5, 1, 2, 5, 20].map((times) => make("option", { value: times, selected: times === 1 }, times + "×")));
  const details = make("select", { "aria-label": "Detail" }, ...available.map((bit) =>
    make("option", { value: bit, selected: bit === level }, { 1: "steps", 2: "messages", 4: "packets" }[bit])));
  const slider = make("input", { type: "range", min: "0", value: "0", "aria-label": "Position" });
  const jumps = make("select", { "aria-label": "Jump to" });
  const position = make("span", { class: "dim" });
  const caption = make("p", { class: "caption wire", role: "status" });
  const state = make("section", { "aria-label": "State" });
  const fields = make("section", { "aria-label": "Packet" });
  const console_ = make("pre", { class: "console mono wire", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "The user's console" });
  const stage = make("div");
  const controls = make("div", { class: "controls", role: "group", "aria-label": "Player" },
    start, back, play, forward, end, speed, details, jumps, slider, position);
  const side = make("div", { class: "side" },
    state, make("section", null, make("h3", null, "Console, as the user would have seen it"), console_), fields);
  const root = make("div", null, make("h3", null, "Diagram"), controls, caption,
    make("div", { class: "player" }, stage, side));
  place.append(root);

  /** Goes to an arrow; past headings in the direction of `way`. */
  function go(target, way) {
    let next = Math.max(0, Math.min(rows.length - 1, target));
    while (next > 0 && next < rows.length - 1 && rows[next][KIND] < 0) next += way;
    if (rows[next][KIND] < 0) next = nearest(next);
    current = next;
    show();
  }

  function nearest(from) {
    for (let far = 0; far < rows.length; far += 1) {
      if (from + far < rows.length && rows[from + far][KIND] >= 0) return from + far;
      if (from - far >= 0 && rows[from - far][KIND] >= 0) return from - far;
    }
    return 0;
  }

  function show() {
    const row = rows[current];
    drawing.show(current);
    caption.textContent = texts[row[CAPTION]] || texts[row[LABEL]];
    slider.value = current;
    slider.setAttribute("aria-valuetext", caption.textContent);
    position.textContent = (current + 1).toLocaleString("en") + " of " + rows.length.toLocaleString("en");
    start.disabled = back.disabled = current <= nearest(0);
    end.disabled = forward.disabled = current >= rows.length - 1;
    let phase = current;
    while (phase > 0 && rows[phase][KIND] !== -1) phase -= 1;
    jumps.value = phase;
    stateView(state, session.states[row[STATE]], row);
    fieldsView(fields, row);
    console_.textContent = transcript(session.rows.indexOf(row));
    console_.scrollTop = console_.scrollHeight;
  }

  function toggle(on) {
    const playing = on === undefined ? timer === 0 : on;
    clearInterval(timer);
    timer = 0;
    if (playing && current >= rows.length - 1) go(0, 1);
    if (playing) timer = setInterval(tick, 1000 / Number(speed.value));
    play.textContent = playing ? "Pause" : "Play";
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    // Who listens is not talked to without end.
    caption.setAttribute("role", playing ? "presentation" : "status");
  }

  function tick() {
    if (!root.isConnected || current >= rows.length - 1) toggle(false);
    else go(current + 1, 1);
  }

  function rebuild(keep) {
    const step = keep ? keep[STEP] : 0;
    rows = session.rows.filter((row) => (row[LEVELS] & level) !== 0);
    drawing = diagram(session, rows, (at) => { toggle(false); go(at, 1); });
    stage.replaceChildren(drawing.element);
    slider.max = rows.length - 1;
    jumps.replaceChildren(...rows.flatMap((row, at) =>
      row[KIND] === -1 ? [make("option", { value: at }, texts[row[LABEL]])] : []).slice(0, 2000));
    if (rows.length === 0) return;
    const same = keep ? rows.indexOf(keep) : -1;
    go(same >= 0 ? same : Math.max(0, rows.findIndex((row) => row[STEP] >= step && row[KIND] >= 0)), 1);
  }

  speed.addEventListener("change", () => { if (timer !== 0) toggle(true); });
  details.addEventListener("change", () => { level = Number(details.value); toggle(false); rebuild(rows[current]); });
  slider.addEventListener("input", () => { toggle(false); go(Number(slider.value), 1); });
  jumps.addEventListener("change", () => { toggle(false); go(Number(jumps.value), 1); });
  root.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("select, input")) return;
    const moves = {
      ArrowRight: () => go(current + 1, 1), ArrowDown: () => go(current + 1, 1),
      ArrowLeft: () => go(current - 1, -1), ArrowUp: () => go(current - 1, -1),
      PageDown: () => go(current + 10, 1), PageUp: () => go(current - 10, -1),
      Home: () => go(0, 1), End: () => go(rows.length - 1, -1),
    };
    if (Object.hasOwn(moves, event.key) && !target.matches("pre")) {
      toggle(false);
      moves[event.key]();
      event.preventDefault();
    } else if (event.key === " " && !target.matches("button")) {
      toggle();
      event.preventDefault();
    }
  });
  rebuild(null);
  return (step) => {
    toggle(false);
    const at = rows.findIndex((row) => row[STEP] >= step && row[KIND] >= 0);
    go(at < 0 ? rows.length - 1 : at, 1);
    root.scrollIntoView();
    drawing.box.focus({ preventScroll: true });
  };
}

/** What is true after a row. */
function stateView(place, [user, directory, type, mode, open, bytes, encrypted], row) {
  place.replaceChildren(make("h3", null, "State"), facts([
    ["Time", "+" + (row[MICROS] / 1e6).toFixed(6) + " s" + (row[FRAME] > 0 ? ", frame " + row[FRAME] : "")],
    ["User", user === null ? "not logged in" : user],
    ["Directory", directory === null ? "unknown" : directory],
    ["Type", type],
    ["Mode", mode === "" ? "none chosen" : mode],
    ["Data connections", open.length === 0 ? "none open" : open.join(", ")],
    ["Data so far", exact(bytes)],
    ["Control", encrypted === 1 ? "encrypted" : "in the clear"],
  ]));
}

/** The fields of a packet or message. */
function fieldsView(place, row) {
  const fields = row[FIELDS] || [];
  place.hidden = fields.length === 0;
  const pairs = [];
  for (let at = 0; at + 1 < fields.length; at += 2) pairs.push([texts[fields[at]], texts[fields[at + 1]]]);
  place.replaceChildren(make("h3", null, "Fields"), make("div", { class: "fields mono" }, facts(pairs)));
}

/** A function that gives the last lines of the console after a row of the session. */
function consoleOf(session) {
  const lines = [];
  session.rows.forEach((row, at) => {
    for (const number of row[CONSOLE] || []) {
      const text = texts[number];
      const before = lines[lines.length - 1];
      // What is typed stands behind the prompt that waits for it.
      const completes = before !== undefined && /^(Name|Password|Account):$/.test(before.text) && text.startsWith(before.text);
      lines.push({ at, text, completes });
    }
  });
  return (row) => {
    let [low, high] = [0, lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lines[middle].at <= row) low = middle + 1;
      else high = middle;
    }
    const seen = lines.slice(Math.max(0, low - 300), low);
    return seen.filter((line, at) => !(at + 1 < seen.length && seen[at + 1].completes)).map((line) => line.text).join("\n");
  };
}
