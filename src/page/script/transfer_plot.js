// The plot of a transfer: bytes sent, acknowledged and permitted over time, with throughput below.

// Indices of the elements of a point, in the order of plot.rs.
const [P_MICROS, P_SENT, P_ACKED, P_WINDOW, P_AGAIN, P_HOLES, P_LATE, P_ZERO] = Array(8).keys();
/** Height of the curves in pixels, and of the throughput below them. */
const CURVES = 180;
const RATES = 44;
/** Limit of the marks of a kind: more would cover each other. */
const MARKS = 150;

/** Creates an SVG element. The document has pictures already, which know the namespace. */
function draw(tag, attributes, ...children) {
  const element = document.createElementNS(document.querySelector("svg").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Creates the plot with its legend and the times that the transfer waited for something. */
function transferPlot(transfer) {
  const { points, sender, waits, stalls } = transfer.plot;
  const receiver = sender === "client" ? "server" : "client";
  const last = points[points.length - 1];
  const length = Math.max(1, last[P_MICROS]);
  const most = Math.max(1, last[P_SENT], ...points.map((point) => point[P_ACKED]));
  const x = (point) => 1000 * point[P_MICROS] / length;
  const y = (bytes) => 1000 - 1000 * Math.min(bytes, most * 1.08) / (most * 1.08);
  // Between two points a count keeps its value: steps, as tcptrace draws them.
  const curve = (index) => {
    let path = "";
    for (const point of points) {
      if (point[index] === null) continue;
      path += path === "" ? "M" + x(point).toFixed(1) + " " + y(point[index]).toFixed(1)
        : "H" + x(point).toFixed(1) + "V" + y(point[index]).toFixed(1);
    }
    return draw("path", { class: "p-" + ["", "sent", "acked", "window"][index], d: path || "M0 0" });
  };
  const bands = stalls.map(([at, kind]) => {
    const [from, to] = [x(points[at]), x(points[at + 1])];
    const said = duration((points[at + 1][P_MICROS] - points[at][P_MICROS]) / 1e6) + " " + kind;
    return draw("rect", { class: "p-stall", x: from, width: to - from, y: 0, height: 1000 }, draw("title", {}, said));
  });
  const area = draw("svg", { y: 18, width: "100%", height: CURVES, viewBox: "0 0 1000 1000", preserveAspectRatio: "none" },
    ...bands, curve(P_WINDOW), curve(P_ACKED), curve(P_SENT));
  const mark = (kind, shape, index, of, words) => points.filter((point) => point[of] > 0).slice(0, MARKS).map((point) =>
    draw("svg", { class: "p-mark p-" + kind, x: (x(point) / 10).toFixed(2) + "%", y: 18 + y(point[index]) * CURVES / 1000 },
      draw("path", { d: shape }, draw("title", {}, words(point[of]) + " at " + duration(point[P_MICROS] / 1e6)))));
  const marks = [
    ...mark("hole", SHAPES.hole, P_SENT, P_HOLES, (count) => counted(count, "segment", "segments") + " behind bytes that were missing"),
    ...mark("again", SHAPES.again, P_SENT, P_LATE, (count) => counted(count, "segment", "segments") + " with bytes that were missing"),
    ...mark("again", SHAPES.again, P_SENT, P_AGAIN, (bytes) => exact(bytes) + " sent again"),
    ...mark("zero", SHAPES.zero, P_ACKED, P_ZERO, () => "window of the " + receiver + " closed"),
  ];
  const labels = stalls.filter(([at]) => x(points[at + 1]) - x(points[at]) > 60).map(([at, kind]) =>
    draw("text", { class: "t-n", x: ((x(points[at]) + x(points[at + 1])) / 20).toFixed(2) + "%", y: 12, "text-anchor": "middle" }, kind));
  const rates = throughput(points, length);
  const name = transfer.path || transfer.verb;
  const went = waits.map(([, , words]) => words).join("; ");
  const title = "Bytes of " + name + " over time: " + exact(last[P_SENT]) + " from the " + sender + " in " + duration(length / 1e6);
  const top = 18 + CURVES + 20;
  const picture = draw("svg", { class: "tl plot", width: "100%", height: top + RATES + 18, role: "img" },
    draw("title", {}, title), draw("desc", {}, went === "" ? "The acknowledgments were not captured." : "Where the time went: " + went + "."),
    area, ...labels, ...marks,
    draw("line", { class: "t-line", x2: "100%", y1: 18 + CURVES, y2: 18 + CURVES }),
    draw("text", { class: "t-tick t-start", y: 18 + CURVES + 13 }, "0 s, throughput: at most " + size(Math.round(rates.most)) + "/s"),
    draw("text", { class: "t-n", x: "100%", y: 18 + CURVES + 13, "text-anchor": "end" }, duration(length / 1e6)),
    draw("svg", { y: top, width: "100%", height: RATES, viewBox: "0 0 " + rates.bins.length + " 100", preserveAspectRatio: "none" },
      ...rates.bins.map((rate, at) => draw("rect", { class: "p-rate", x: at, width: 0.9, y: 100 - 100 * rate / rates.most, height: 100 * rate / rates.most }))),
    draw("line", { class: "t-line", x2: "100%", y1: top + RATES, y2: top + RATES }));
  const key = (kind, words) => make("li", null, swatch(kind), words);
  return make("figure", null,
    make("p", null, make("strong", null, "Where the time went: "), went === "" ? "not known, for no acknowledgment was captured" : went),
    picture,
    make("figcaption", null, make("ul", { class: "t-legend" }, key("sent", "sent"), key("acked", "acknowledged"), key("window", "permitted by the window of the " + receiver),
      key("hole", "behind missing bytes"), key("again", "sent again or late"), key("zero", "window closed"), key("stall", "longest waits"))));
}

const SHAPES = { again: "M0-6L6 5H-6Z", hole: "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z", zero: "M-4-4H4V4H-4Z" };

/** Creates the sample of a line or mark in the legend. */
function swatch(kind) {
  const shape = SHAPES[kind] === undefined
    ? kind === "stall" ? draw("rect", { class: "p-stall", x: 1, y: 1, width: 24, height: 14 }) : draw("path", { class: "p-" + kind, d: "M1 8H25" })
    : draw("svg", { class: "p-mark p-" + kind, x: 13, y: 8 }, draw("path", { d: SHAPES[kind] }));
  return draw("svg", { class: "tl plot", width: 26, height: 16, "aria-hidden": "true" }, shape);
}

/** Returns the bytes per second of equal periods. */
function throughput(points, length) {
  const count = Math.min(60, Math.max(8, points.length));
  const bins = Array(count).fill(0);
  let before = points[0];
  bins[0] += before[P_SENT];
  for (const point of points.slice(1)) {
    // Bytes between two points came at some time between them: they are spread over it.
    const from = before[P_MICROS] / length * count;
    const to = Math.max(from + 1e-9, point[P_MICROS] / length * count);
    const bytes = point[P_SENT] - before[P_SENT];
    for (let at = Math.floor(from); bytes > 0 && at < Math.min(count, to); at += 1) {
      bins[at] += bytes * Math.max(0, Math.min(at + 1, to) - Math.max(at, from)) / (to - from);
    }
    before = point;
  }
  const seconds = length / 1e6 / count;
  const rates = bins.map((bytes) => bytes / seconds);
  return { bins: rates, most: Math.max(1e-9, ...rates) };
}
