// SPDX-License-Identifier: MIT
// The recent and the slow requests, where the server tells of them.
import { durationText, timeText } from "/dashboard/figures.js";
import { ask, reason } from "/dashboard/link.js";

const ROWS_MAX = 20;
const EVERY_MS = 2000;
let due = 0;

const at = (id) => document.getElementById(id);

function cell(row, text, name) {
  const made = row.insertCell();
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function fill(body, requests, now) {
  body.replaceChildren();
  for (const one of requests.slice(0, ROWS_MAX)) {
    const row = body.insertRow();
    row.title = `${one.door}, request ${one.request_id ?? "without an id"}`;
    cell(row, timeText(one.at, now));
    cell(row, `${one.method} ${one.route}`, "key");
    cell(row, `${one.status} ${(one.outcome ?? "").replaceAll("_", " ")}`, one.status >= 500 ? "bad" : "");
    cell(row, durationText(one.duration_us), "number");
  }
}

function say(text) {
  at("no-requests").textContent = text;
  at("no-requests").hidden = text === "";
  at("requests-box").hidden = text !== "";
}

export async function showRequests(now) {
  if (performance.now() < due) return;
  due = performance.now() + EVERY_MS;
  try {
    const told = await ask("GET", "/v1/requests");
    fill(at("recent").tBodies[0], told.recent, now);
    fill(at("slow").tBodies[0], told.slow, now);
    say(told.recent.length === 0 ? "None yet." : "");
  } catch (refusal) {
    if (refusal.status === 404) due = Infinity;
    say(refusal.status === 404 ? "Not available: this onced does not keep them." : reason(refusal));
  }
}
// Whether it tells of them is another question to another process.
export function askAgainForRequests() {
  due = 0;
}
