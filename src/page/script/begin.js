// The script of the page, assembled from these files in this order:
//   begin, elements   the data, and the creation of elements
//   overview          summary of all sessions
//   logs              claims of servers' logs beside the sessions
//   plots             keys for the pictures that the document holds already
//   transfer_plot     the course of one transfer
//   sessions          the table of sessions: sorting, searching
//   session           one session: findings, steps, transfers, credentials
//   diagram, player   its diagram, and the controls that step through it
//   end               routes: the view for each address
// Strings of the data are inserted as text nodes only: nothing here turns a string into markup.
(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const texts = data.texts;
const byId = new Map(data.sessions.map((session) => [session.id, session]));
