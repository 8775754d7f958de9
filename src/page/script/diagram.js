
// The diagram: lanes and rows. Only the rows in sight are in the document, however many there are.

const laneNames = ["DNS server", "FTP server", "FTP client", "Console"];
const ROW = 36;
/** Limit of the rows in print. */
const PRINTED = 1000;
// Indices of the elements of a row, in the order of `RowParts` in rows.rs.
const [LEVELS, KIND, LABEL, CAPTION, FRAME, MICROS, STEP, FAILED, STATE, FIELDS, CONSOLE] = Array(11).keys();

/** Horizontal positions of the lanes, in percent. */
function lanePlaces(rows) {
  const dns = rows.some((row) => row[KIND] >= 0 && (Math.floor(row[KIND] / 4) % 4 === 0 || row[KIND] % 4 === 0));
  return dns ? [10, 30, 66, 88] : [null, 12, 63, 88];
}

/**
 * Draws rows into a box that scrolls. Returns `show(place)`, which highlights a row and scrolls to it.
 * Calls `choose(place)` for a row that is clicked.
 */
function diagram(session, rows, choose) {
  const places = lanePlaces(rows);
  const list = make("ol");
  list.style.height = rows.length * ROW + "px";
  const box = make("div", { class: "rows", tabindex: "0", role: "group", "aria-label": "Sequence diagram; arrow keys step through it" }, list);
  const heads = make("div");
  places.forEach((place, lane) => {
    if (place === null) return;
    const [first, last] = laneNames[lane].split(" ");
    const short = make("span", { class: "long" }, lane === 0 ? " " + last : first + " ");
    const name = last === undefined ? [first] : lane === 0 ? [first, short] : [short, last];
    const head = make("div", null, name, make("small", { class: "wire", title: session.ends[lane] || null }, session.ends[lane]));
    head.style.left = place + "%";
    heads.append(head);
  });
  const paper = make("p", { class: "paper dim" });
  const drawn = new Map();
  let current = -1;

  function update() {
    draw(Math.max(0, Math.floor(box.scrollTop / ROW) - 10), Math.ceil((box.scrollTop + box.clientHeight) / ROW) + 10);
  }

  function draw(from, end) {
    const to = Math.min(rows.length, end);
    for (const [place, item] of drawn) {
      if (place < from || place >= to) {
        item.remove();
        drawn.delete(place);
      }
    }
    for (let place = from; place < to; place += 1) {
      if (drawn.has(place)) continue;
      const item = rowView(rows[place], places);
      item.style.top = place * ROW + "px";
      item.setAttribute("aria-posinset", place + 1);
      item.setAttribute("aria-setsize", rows.length);
      if (place === current) item.setAttribute("aria-current", "step");
      if (rows[place][KIND] >= 0) item.addEventListener("click", () => choose(place));
      // In document order, which screen readers follow.
      let next = place + 1;
      while (next < to && !drawn.has(next)) next += 1;
      list.insertBefore(item, drawn.get(next) || null);
      drawn.set(place, item);
    }
  }

  function show(place) {
    if (drawn.has(current)) drawn.get(current).removeAttribute("aria-current");
    current = place;
    const top = place * ROW;
    if (top < box.scrollTop + ROW || top > box.scrollTop + box.clientHeight - 2 * ROW) {
      box.scrollTop = top - box.clientHeight / 2;
    }
    update();
    if (drawn.has(place)) drawn.get(place).setAttribute("aria-current", "step");
  }

  /** Draws all rows up to the limit for printing, as paper does not scroll. */
  function print(on) {
    list.style.height = (on ? Math.min(rows.length, PRINTED) : rows.length) * ROW + "px";
    paper.textContent = rows.length > PRINTED ? "Printed: the first " + number(PRINTED) + " of " + number(rows.length) + " rows." : "";
    if (on) draw(0, PRINTED);
    else update();
  }

  box.addEventListener("scroll", update, { passive: true });
  new ResizeObserver(update).observe(box);
  const lanes = make("div", { class: "lanes", "aria-hidden": "true" }, make("div"), heads);
  return { element: make("div", null, lanes, box, paper), box, show, print };
}

function rowView(row, places) {
  const label = texts[row[LABEL]];
  if (row[KIND] === -1) return make("li", { class: "phase wire", title: label }, label);
  const way = make("div", { class: "way" });
  for (const place of places) {
    if (place === null) continue;
    const bar = make("span", { class: "bar" });
    bar.style.left = place + "%";
    way.append(bar);
  }
  const when = make("div", { class: "when" });
  const item = make("li", { class: row[KIND] === -2 ? "part" : null }, when, way);
  if (row[KIND] === -2) {
    way.append(labelView("· " + label + " ·", places[1], places[2], false));
    return item;
  }
  const channel = Math.floor(row[KIND] / 16);
  const from = places[Math.floor(row[KIND] / 4) % 4];
  const to = places[row[KIND] % 4];
  const failed = row[FAILED] === 1;
  const arrow = make("span", { class: "arrow c" + channel + (from < to ? " right" : " left") + (failed ? " bad" : "") });
  arrow.style.left = Math.min(from, to) + "%";
  arrow.style.width = Math.abs(to - from) + "%";
  way.append(labelView(label, from, to, failed), arrow);
  way.append(make("span", { class: "aloud" }, laneName(row[KIND], 4) + " to " + laneName(row[KIND], 1)));
  when.append("+" + (row[MICROS] / 1e6).toFixed(3));
  if (row[FRAME] !== 0) when.append(make("br"), make("span", { title: frameName(row[FRAME]) }, "#" + shortFrame(row[FRAME])));
  return item;
}

const laneName = (kind, by) => laneNames[Math.floor(kind / by) % 4];

/** Creates a label centred on its arrow, as wide as the nearer edge permits. */
function labelView(text, from, to, failed) {
  const middle = (from + to) / 2;
  const room = Math.min(middle, 100 - middle);
  const label = make("div", { class: "label" + (failed ? " bad" : "") }, make("span", { class: "wire", title: text }, text));
  label.style.left = middle - room + "%";
  label.style.width = 2 * room + "%";
  return label;
}

/** Creates the legend of colours and keys. */
function legend() {
  const stroke = (kind, word) => make("span", null, make("i", { class: kind }), word);
  const key = (name) => make("kbd", null, name);
  return make("p", { class: "legend" },
    stroke("c1", "control"), stroke("c2", "data"), stroke("c3", "user"), stroke("bad", "failed"),
    make("span", { class: "long" }, key("←"), " ", key("→"), " step"), make("span", { class: "long" }, key("Shift"), " ", key("←"), " ", key("→"), " part"),
    make("span", { class: "long" }, key("Space"), " play"), make("span", { class: "long" }, key("Home"), " ", key("End")));
}
