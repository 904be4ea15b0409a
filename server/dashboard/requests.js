// SPDX-License-Identifier: MIT
// The recent and the slow requests, where the server tells of them.
import { durationText, timeText } from "/dashboard/figures.js";
import { ask, reason, refusalOf } from "/dashboard/link.js";
import { fillMarkedRows } from "/dashboard/tables.js";

const ROWS_MAX = 20;
const EVERY_MS = 2000;
let due = 0;
let asking = false;  // one that hangs holds up nothing else
let turn = 0;        // an answer to what was asked before it is dropped

const at = (id) => document.getElementById(id);

function fill(body, requests, now) {
  const known = new Map();
  fillMarkedRows(body, requests.slice(0, ROWS_MAX).map((one) => {
    const mark = `${one.at} ${one.request_id} ${one.route}`;
    known.set(mark, (known.get(mark) ?? 0) + 1);
    return {
      mark: `${mark} ${known.get(mark)}`,
      title: `${one.door}, request ${one.request_id ?? "without an id"}`,
      cells: [
        { text: timeText(one.at, now) },
        { text: `${one.method} ${one.route}`, style: "key" },
        { text: `${one.status} ${(one.outcome ?? "").replaceAll("_", " ")}`, style: one.status >= 500 ? "bad" : "" },
        { text: durationText(one.duration_us), style: "number" },
      ],
    };
  }));
}

function say(text) {
  at("no-requests").textContent = text;
  at("no-requests").hidden = text === "";
  at("requests-box").hidden = text !== "";
}

export async function showRequests(now) {
  if (asking || performance.now() < due) return;
  asking = true;
  due = performance.now() + EVERY_MS;
  const mine = turn;
  try {
    const told = await ask("GET", "/v1/requests");
    if (mine !== turn) return;
    fill(at("recent").tBodies[0], told.recent, now);
    fill(at("slow").tBodies[0], told.slow, now);
    say(told.recent.length === 0 ? "None yet." : "");
  } catch (fault) {
    if (mine !== turn) return;
    const refusal = refusalOf(fault);
    if (refusal.status === 404) due = Infinity;
    say(refusal.status === 404 ? "Not available: this onced does not keep them." : reason(refusal));
  } finally {
    asking = false;
  }
}

// Whether it tells of them is another question to another process.
export function askAgainForRequests() {
  due = 0;
  ++turn;
}

// They are nobody's to see without a token.
export function clearRequests() {
  askAgainForRequests();
  for (const id of ["recent", "slow"]) at(id).tBodies[0].replaceChildren();
  say("Not asked for yet.");
}
