
// Creation of elements, and formats for counts and sizes.

/** Creates an element; strings among its children become text. Class `wire` isolates the direction of captured text. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Creates an element for captured text. */
const wire = (text) => make("span", { class: "wire" }, text);
const badge = (word) => make("span", { class: "badge " + word }, word);
const number = (count) => count.toLocaleString("en");
const counted = (count, one, many) => number(count) + " " + (count === 1 ? one : many);
const exact = (bytes) => counted(bytes, "byte", "bytes");

/** Formats a count: exact below a million, then with one decimal. */
function size(bytes) {
  if (bytes < 1e6) return exact(bytes);
  let unit = "";
  for (unit of ["MB", "GB", "TB", "PB"]) {
    bytes /= unit === "MB" ? 1e6 : 1e3;
    if (bytes < 999.95) break;
  }
  return bytes.toFixed(1) + " " + unit;
}

function duration(seconds) {
  if (seconds < 0.001) return seconds.toFixed(6) + " s";
  if (seconds < 1) return seconds.toFixed(3) + " s";
  if (seconds < 60) return seconds.toFixed(1) + " s";
  const whole = Math.round(seconds);
  if (whole < 3600) return Math.floor(whole / 60) + " min " + String(whole % 60).padStart(2, "0") + " s";
  return Math.floor(whole / 3600) + " h " + String(Math.floor(whole / 60) % 60).padStart(2, "0") + " min";
}

// A frame is its number or, with several captures, a list: its number over all captures, its capture, its number there.

/** Returns the number of a frame over all captures. */
const frameNumber = (frame) => Array.isArray(frame) ? frame[0] : frame;

/** Returns a frame as "5" or, with several captures, as "2:5" for frame 5 of the second one. */
const shortFrame = (frame) => Array.isArray(frame) ? (frame[1] + 1) + ":" + frame[2] : String(frame);

/** Returns a frame as "5" or, with several captures, as "5 of b.pcap". */
const frameName = (frame) => Array.isArray(frame) ? number(frame[2]) + " of " + captureName(frame[1]) : number(frame);

/** Returns the file name of a capture; its number where the page does not name it. */
function captureName(place) {
  const capture = data.captures[place];
  return capture === undefined ? "capture " + number(place + 1) : capture.path.replace(/^.*\/(?=.)/, "");
}

/** Creates a list of terms and values, without those whose value is unknown. */
function facts(pairs) {
  const list = make("dl", { class: "facts" });
  for (const [term, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    list.append(make("dt", null, term), make("dd", { class: "wire" }, value));
  }
  return list;
}

/** Creates a table with its own scroll bar. Names of numeric columns begin with `#`. */
function tableOf(names, body, kind = null) {
  const head = names.map((name) => make("th", { scope: "col", class: name.startsWith("#") ? "n" : null }, name.slice(1) || "#"));
  return make("div", { class: "scroll" }, make("table", { class: kind }, make("thead", null, make("tr", null, head)), body));
}

const linkTo = (session, ...children) => make("a", { href: "#session-" + session }, ...children);
const severities = ["high", "medium", "low", "info"];
