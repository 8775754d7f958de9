
// Servers' logs beside the sessions: a column, and lists. Without logs nothing of it shows.

/** Outcomes, worst first, and their words. */
const outcomes = { "differs": "differs", "wire-only": "no line", "log-only": "only in the log", "not-comparable": "not comparable", "agrees": "agrees" };
const ranks = Object.keys(outcomes);
const [CLAIM_SESSION, CLAIM_STEP, OUTCOME, PLACE, LINE, NOTES] = [0, 1, 2, 3, 4, 5];

/** Returns the claims by the value of one of their elements. */
function claimsBy(element, claims) {
  const found = new Map();
  for (const claim of claims) {
    const known = found.get(claim[element]);
    if (known === undefined) found.set(claim[element], [claim]);
    else known.push(claim);
  }
  return found;
}

const logged = claimsBy(CLAIM_SESSION, data.logs === undefined ? [] : data.logs.claims);

/** Returns the claims of logs about a session. */
const claimsOf = (session) => logged.get(session.id) || [];
const rankOf = (claim) => ranks.indexOf(claim[OUTCOME]);

/** Returns the rank of the worst outcome among claims. */
const worstRank = (claims) => Math.min(ranks.length, ...claims.map(rankOf));

/** Returns the names of the files in a place without their folders. */
const fileOf = (place) => place.split(", ").map((path) => path.replace(/^.*\/(?=.)/, "")).join(", ");

/** Creates the badge of an outcome, with the lines behind it as a hint. */
function outcomeBadge(outcome, claims) {
  const lines = claims.slice(0, 5).flatMap((claim) => [claim[PLACE] + ": " + claim[LINE], ...claim[NOTES]]);
  return make("span", { class: "badge " + outcome, title: lines.join("\n") }, outcomes[outcome]);
}

/** Creates the cell of the column "Log": each outcome of these claims once, worst first. */
function logCell(claims) {
  const found = [...claimsBy(OUTCOME, claims)].sort(([a], [b]) => ranks.indexOf(a) - ranks.indexOf(b));
  return make("td", null, found.map(([outcome, some], place) => [place > 0 ? " " : "", outcomeBadge(outcome, some), some.length > 1 ? " " + number(some.length) : ""]));
}

/** Creates the section of the overview: the logs, the counts, and what disagrees. */
function logSection() {
  if (data.logs === undefined) return [];
  const wrong = data.logs.claims.filter((claim) => !["agrees", "not-comparable"].includes(claim[OUTCOME]))
    .sort((a, b) => rankOf(a) - rankOf(b));
  const show = (claim) => {
    const known = byId.has(claim[CLAIM_SESSION]);
    return item([
      make("span", { class: "wire" }, claim[LINE]),
      make("small", { class: "wire", title: claim[PLACE] }, [fileOf(claim[PLACE]), ...claim[NOTES]].join("; ")),
      known ? make("small", null, "session ", linkTo(claim[CLAIM_SESSION], String(claim[CLAIM_SESSION]))) : null,
    ], outcomeBadge(claim[OUTCOME], [claim]));
  };
  return [make("section", { id: "logs" }, make("h2", null, "What the server's log claims"),
    data.logs.files.map((file) => make("p", { class: "dim wire" }, file)),
    make("p", { class: "wire" }, data.logs.totals),
    listed(wrong, "Nothing that can be compared disagrees.", show),
    data.logs.more > 0 ? make("p", { class: "dim" }, counted(data.logs.more, "claim", "claims") + " more: ftpscope reconcile --format csv lists all") : null)];
}

/** Creates the list of what logs claim about a session. */
function logList(session) {
  const order = (claim) => claim[CLAIM_STEP] === null ? Infinity : claim[CLAIM_STEP];
  const claims = [...claimsOf(session)].sort((a, b) => order(a) - order(b));
  if (claims.length === 0) return [];
  const body = make("tbody");
  for (const claim of claims.slice(0, 500)) {
    body.append(make("tr", null,
      make("td", { class: "n" }, claim[CLAIM_STEP] === null ? "" : String(claim[CLAIM_STEP])),
      make("td", null, outcomeBadge(claim[OUTCOME], [])),
      make("td", { class: "wire last" }, claim[LINE],
        make("small", { title: claim[PLACE] }, [fileOf(claim[PLACE]), ...claim[NOTES]].join("; ")))));
  }
  return [make("h3", null, "The server's log"), tableOf(["#Step", " Outcome", " Line"], body, "claims"),
    claims.length > 500 ? make("p", { class: "dim" }, counted(claims.length - 500, "claim", "claims") + " more") : null].filter((part) => part !== null);
}
