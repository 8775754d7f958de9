
// The player steps through a diagram, by buttons, keys or a timer, and shows caption, state and the user's console.

/** The player that receives keys and is printed; `null` on the overview. */
let playing = null;

/** Appends the player to `place`. Returns a function that jumps to a step, or to a frame within it. */
function player(session, place) {
  const available = session.rows.some((row) => row[LEVELS] === 4) ? [1, 2, 4] : [1, 2];
  const states = statesOf(session);
  const transcript = consoleOf(session);
  let level = available.includes(1 << data.detail) ? 1 << data.detail : 2;
  let rows = [];
  let drawing = null;
  /** For each row the number of arrows up to it: headings are no places to stop at. */
  let places = [];
  let current = 0;
  let timer = 0;

  const button = (name, text, act, look) =>
    make("button", { type: "button", "aria-label": name, title: name, onclick: act, class: look }, text);
  const start = button("To the beginning", "|◀", () => go(0, 1));
  const back = button("Step back", "◀ Back", () => go(current - 1, -1));
  const play = button("Play", "Play", () => toggle(), "main");
  const forward = button("Step forward", "Step ▶", () => go(current + 1, 1));
  const end = button("To the end", "▶|", () => go(rows.length - 1, -1));
  const speed = make("select", { "aria-label": "Speed" },
    ...[0.5, 1, 2, 5, 20].map((times) => make("option", { value: times, selected: times === 1 }, times + "×")));
  const details = make("select", { "aria-label": "Detail" }, ...available.map((bit) =>
    make("option", { value: bit, selected: bit === level }, { 1: "steps", 2: "messages", 4: "packets" }[bit])));
  const slider = make("input", { type: "range", min: "0", value: "0", "aria-label": "Position" });
  const jumps = make("select", { "aria-label": "Jump to" });
  const position = make("span", { class: "position" });
  const caption = make("p", { class: "caption wire", role: "status" });
  const state = make("section", { "aria-label": "State" });
  const fields = make("section", { "aria-label": "Packet" });
  const console_ = make("pre", { class: "console mono wire", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "The user's console" });
  const stage = make("div");
  const controls = make("div", { class: "controls", role: "group", "aria-label": "Player" },
    start, back, play, forward, end, make("label", null, "Speed ", speed), make("label", null, "Detail ", details),
    make("label", { class: "jump" }, "Part ", jumps), slider, position);
  const side = make("div", { class: "side" }, state,
    make("section", null, make("h3", null, "Console ", make("small", null, "rebuilt from the commands")), console_), fields);
  // Focusable, so that a click anywhere on it gives it the keys.
  const root = make("div", { tabindex: "-1", class: "focus" }, make("h3", null, "Diagram"), controls, caption,
    make("div", { class: "player" }, make("div", null, stage, legend()), side));
  place.append(root);

  /** Goes to an arrow. Headings are skipped in the direction of `way`, 1 or -1. */
  function go(target, way) {
    // A session of which only its end was captured has no arrow, and none of some details.
    if (rows.length === 0) return;
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

  /** Returns the index of the heading above a row. */
  function heading(at) {
    while (at > 0 && rows[at][KIND] !== -1) at -= 1;
    return at;
  }

  /** Goes to the next heading, or to the previous one. */
  function goPart(way) {
    let at = way > 0 ? current + 1 : heading(heading(current) - 1);
    while (way > 0 && at < rows.length - 1 && rows[at][KIND] !== -1) at += 1;
    go(Math.max(0, at), 1);
  }

  function show() {
    const row = rows[current];
    drawing.show(current);
    caption.textContent = texts[row[CAPTION]] || texts[row[LABEL]];
    slider.value = current;
    slider.setAttribute("aria-valuetext", caption.textContent);
    position.textContent = number(places[current]) + " of " + number(places[rows.length - 1]);
    const held = document.activeElement;
    start.disabled = back.disabled = current <= nearest(0);
    end.disabled = forward.disabled = current >= rows.length - 1;
    // A button that is switched off loses the keys to the document, where the player does not get them.
    if (held !== null && held.disabled && root.contains(held)) play.focus({ preventScroll: true });
    jumps.value = heading(current);
    stateView(state, states[row[STATE]], current > 0 ? states[rows[current - 1][STATE]] : states[0], row);
    fieldsView(fields, row);
    console_.textContent = transcript(session.rows.indexOf(row));
    console_.scrollTop = console_.scrollHeight;
  }

  function toggle(on) {
    const plays = on === undefined ? timer === 0 : on;
    clearInterval(timer);
    timer = 0;
    if (plays && current >= rows.length - 1) go(0, 1);
    if (plays) timer = setInterval(tick, 1000 / Number(speed.value));
    play.textContent = plays ? "Pause" : "Play";
    play.setAttribute("aria-label", plays ? "Pause" : "Play");
    // While playing, screen readers would announce every caption.
    caption.setAttribute("role", plays ? "presentation" : "status");
  }

  function tick() {
    if (!root.isConnected || current >= rows.length - 1) toggle(false);
    else go(current + 1, 1);
  }

  function rebuild(keep) {
    const step = keep ? keep[STEP] : 0;
    rows = session.rows.filter((row) => (row[LEVELS] & level) !== 0);
    let arrows = 0;
    places = rows.map((row) => row[KIND] >= 0 ? arrows += 1 : arrows);
    drawing = diagram(session, rows, (at) => { toggle(false); go(at, 1); });
    stage.replaceChildren(drawing.element);
    slider.max = Math.max(0, rows.length - 1);
    jumps.replaceChildren(...rows.flatMap((row, at) => row[KIND] === -1 ? [make("option", { value: at }, texts[row[LABEL]])] : []).slice(0, 2000));
    if (rows.length === 0) return;
    const same = keep ? rows.indexOf(keep) : -1;
    go(same >= 0 ? same : Math.max(0, rows.findIndex((row) => row[STEP] >= step && row[KIND] >= 0)), 1);
  }

  /** Handles a key, outside of the player only the left and right arrows. Returns whether it did. */
  function key(event) {
    const target = event.target;
    const inside = root.contains(target);
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    // Lists choose with these keys, the slider moves by itself, and a text that scrolls keeps its own keys for that.
    if (target.matches("select, input:not([type=range])")) return false;
    if (target.matches("input") && event.key !== " ") return false;
    if (target.matches("pre") && /^(Arrow|Page)/.test(event.key)) return false;
    if (!inside && target !== document.body && target.id !== "session-title") return false;
    const moves = {
      ArrowRight: () => event.shiftKey ? goPart(1) : go(current + 1, 1),
      ArrowLeft: () => event.shiftKey ? goPart(-1) : go(current - 1, -1),
    };
    const within = {
      ArrowDown: moves.ArrowRight, ArrowUp: moves.ArrowLeft,
      PageDown: () => go(current + 10, 1), PageUp: () => go(current - 10, -1),
      Home: () => go(0, 1), End: () => go(rows.length - 1, -1),
    };
    const move = Object.hasOwn(moves, event.key) ? moves[event.key] : inside && Object.hasOwn(within, event.key) ? within[event.key] : null;
    if (move !== null) {
      toggle(false);
      move();
      return true;
    }
    // A button of the player is pressed with Enter: Space plays and pauses, wherever the last click went.
    if (event.key !== " " || !inside || target.matches("a")) return false;
    toggle();
    return true;
  }

  start.addEventListener("click", () => toggle(false));
  [back, forward, end].forEach((one) => one.addEventListener("click", () => toggle(false)));
  speed.addEventListener("change", () => { if (timer !== 0) toggle(true); });
  details.addEventListener("change", () => { level = Number(details.value); toggle(false); rebuild(rows[current]); });
  slider.addEventListener("input", () => { toggle(false); go(Number(slider.value), 1); });
  jumps.addEventListener("change", () => { toggle(false); go(Number(jumps.value), 1); });
  rebuild(null);
  playing = { key, holds: (target) => root.contains(target) && target.matches("button"), print: (on) => drawing.print(on) };
  return (step, frame) => {
    toggle(false);
    const first = rows.findIndex((row) => row[STEP] >= step && row[KIND] >= 0);
    const exact = frame === undefined ? -1 : rows.findIndex((row) => frameNumber(row[FRAME]) === frameNumber(frame) && row[KIND] >= 0);
    const at = exact < 0 ? first : exact;
    go(at < 0 ? rows.length - 1 : at, 1);
    root.scrollIntoView();
    drawing.box.focus({ preventScroll: true });
  };
}

addEventListener("keydown", (event) => {
  if (playing !== null && !event.defaultPrevented && playing.key(event)) event.preventDefault();
});
// A button would be pressed when Space is released.
addEventListener("keyup", (event) => {
  if (event.key === " " && playing !== null && playing.holds(event.target)) event.preventDefault();
});
addEventListener("beforeprint", () => { if (playing !== null) playing.print(true); });
addEventListener("afterprint", () => { if (playing !== null) playing.print(false); });

/** Expands the states of a session: the JSON has the first in full, and the changes for each other. */
function statesOf(session) {
  let before = [];
  return session.states.map((parts, place) => {
    if (place === 0) {
      before = parts;
    } else {
      before = before.slice();
      for (let at = 0; at + 1 < parts.length; at += 2) before[parts[at]] = parts[at + 1];
    }
    return before;
  });
}

/** Shows the state after a row, with the values that the row changed highlighted. */
function stateView(place, now, before, row) {
  const pairs = ([user, directory, type, mode, open, bytes, encrypted]) => [
    ["User", user === null ? encrypted === 1 ? "cannot be read" : "not logged in" : user],
    ["Directory", directory === null ? encrypted === 1 ? "cannot be read" : "not told yet" : directory],
    ["Type", type],
    ["Mode", mode === "" ? "none chosen" : mode],
    ["Data connections", open.length === 0 ? "none open" : open.join(", ")],
    ["Data so far", exact(bytes)],
    ["Control", ["in the clear", "encrypted", "decrypted"][encrypted]],
  ];
  const list = facts([["Time", "+" + (row[MICROS] / 1e6).toFixed(6) + " s"], ["Frame", row[FRAME] !== 0 ? frameName(row[FRAME]) : "–"], ...pairs(now)]);
  const values = list.querySelectorAll("dd");
  pairs(before).forEach(([, value], at) => {
    if (value !== pairs(now)[at][1]) values[at + 2].classList.add("new");
  });
  place.replaceChildren(make("h3", null, "State"), list);
}

/** Shows the fields of a row. A value below zero encodes the number `-1 - value`, any other a string. */
function fieldsView(place, row) {
  const fields = row[FIELDS] || [];
  place.hidden = fields.length === 0;
  const pairs = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const value = fields[at + 1];
    pairs.push([texts[fields[at]], value < 0 ? String(-1 - value) : texts[value]]);
  }
  place.replaceChildren(make("h3", null, "Fields"), make("div", { class: "fields mono" }, facts(pairs)));
}

/** Returns a function from a row of the session to the last lines of the console after it. */
function consoleOf(session) {
  const lines = [];
  session.rows.forEach((row, at) => {
    for (const number of row[CONSOLE] || []) {
      const text = texts[number];
      const before = lines[lines.length - 1];
      // Input completes the line of its prompt, which is already there: show the completed line alone.
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
