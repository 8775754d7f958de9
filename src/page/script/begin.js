// The page's script. Its parts stand in files of one idea each and are put together in this order:
//   begin, elements   the data, and how text gets into the page
//   overview          what a stranger wants to know first
//   sessions          the table of sessions: sorting, searching
//   session           one session: findings, steps, transfers, credentials
//   diagram, player   its diagram, and stepping through it
//   end               what is shown for which address
// Text of the data is only ever set as text: nothing here makes markup of a string.
(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const texts = data.texts;
const byId = new Map(data.sessions.map((session) => [session.id, session]));
