// SPDX-License-Identifier: MIT
// Keys: look one up and see its timeline, list them fifty at a time, resolve or forget one. What is done here
// are the calls of the API that `onced keys` makes, with the same rights.
import { ask, reason, target } from "/dashboard/link.js";
import { bytesText, countText, timeText } from "/dashboard/figures.js";

const PAGE = 50;
const at = (id) => document.getElementById(id);

let shown = null;   // the record that is looked at
let next = "";      // the cursor of the list's next page
let looking = 0;    // of several that are under way the last counts

const place = () => ({ scope: at("scope").value, tenant: at("tenant").value || undefined });
const stateText = (record) => (record.state === "in_flight" ? (record.lapsed ? "in flight, lapsed" : "in flight") : record.state);
const lives = (record) => record.state === "in_flight" && !record.lapsed;

function make(name, text, style) {
  const made = document.createElement(name);
  made.textContent = text;
  if (style) made.className = style;
  return made;
}

function pill(record) {
  const level = { completed: "good", in_flight: record.lapsed ? "odd" : "", unknown: "bad" }[record.state];
  return make("span", stateText(record), `pill ${level}`);
}

function showFacts(record) {
  const facts = [
    ["Scope", record.scope],
    ["Attempt", String(record.attempt)],
    ["Holder", record.holder],
    ["Claimed", record.claimed_at && timeText(record.claimed_at)],
    ["Lease until", record.lease_until && timeText(record.lease_until)],
    ["Completed", record.completed_at && timeText(record.completed_at)],
    ["Kept until", record.expires_at && timeText(record.expires_at)],
    ["Result", record.result_bytes === undefined ? undefined : bytesText(record.result_bytes)],
  ];
  const list = at("record-facts");
  list.replaceChildren();
  const add = (name, value) => {
    const pair = document.createElement("div");
    pair.append(make("dt", name), value);
    list.append(pair);
  };
  const state = document.createElement("dd");
  state.append(pill(record));
  add("State", state);
  for (const [name, value] of facts) {
    if (value !== undefined) add(name, make("dd", value));
  }
}

function showTimeline(events, record) {
  const list = at("timeline");
  list.replaceChildren();
  for (const event of events) {
    const item = document.createElement("li");
    item.append(make("strong", event.type.replaceAll("_", " ")), " ", make("time", timeText(event.at)),
                make("span", `attempt ${event.attempt}, fence ${event.fence}${event.holder ? `, by ${event.holder}` : ""}`, "quiet"));
    list.append(item);
  }
  if (record !== null && record.replays > 0) {
    const item = document.createElement("li");
    item.className = "replays";
    item.append(make("strong", `replayed ${countText(record.replays)} ${record.replays === 1 ? "time" : "times"}`),
                make("span", "duplicates that were given this answer, since the start", "quiet"));
    list.append(item);
  }
  if (list.children.length === 0) list.append(make("li", "Nothing is recorded of its runs.", "quiet"));
}

function say(text) {
  at("key-said").textContent = text;
}

function show(key, record, events) {
  shown = record === null ? null : { ...record, ...place() };
  at("record").hidden = record === null && events.length === 0;
  if (at("record").hidden) return;
  at("record-key").textContent = key;
  at("record-facts").replaceChildren();
  if (record !== null) showFacts(record);
  showTimeline(events, record);
  at("resolve").hidden = record === null || record.state === "completed" || lives(record);
  at("forget").hidden = record === null;
}

// What is under a key, and what has been; null for the first when there is none.
async function lookUp(key) {
  const mine = ++looking;
  try {
    const events = (await ask("GET", target(["v1", "keys", key, "history"], place()))).events;
    const record = await ask("GET", target(["v1", "keys", key], place())).catch((refusal) => {
      if (refusal.status === 404) return null;
      throw refusal;
    });
    if (mine !== looking) return;
    show(key, record, events);
    say(record !== null ? "" : events.length > 0 ? "There is no live record under this key; it has a past." : "There is no such key.");
  } catch (refusal) {
    if (mine !== looking) return;
    show(key, null, []);
    say(reason(refusal));
  }
}

async function openListed(record) {
  at("key").value = record.key;
  at("scope").value = record.scope;
  await lookUp(record.key);
  at("record-key").focus();
}

async function list(cursor) {
  at("list-next").disabled = at("list-first").disabled = true;
  // What the gateway keeps has scopes of its own: as many as callers.
  const scope = at("list-scope").value;
  const within = at("list-wide").checked ? { scope_prefix: scope } : { scope: scope || undefined };
  const query = { ...within, tenant: place().tenant, prefix: at("prefix").value || undefined, state: at("list-state").value || undefined,
                  limit: PAGE, cursor: cursor || undefined };
  try {
    const page = await ask("GET", target(["v1", "keys"], query));
    const body = at("keys").tBodies[0];
    body.replaceChildren();
    for (const record of page.keys) {
      const row = body.insertRow();
      const open = make("button", record.key, "link key");
      open.type = "button";
      open.addEventListener("click", () => openListed(record));
      const named = row.insertCell();
      named.append(open);
      if (record.scope !== "default") named.append(make("span", `in ${record.scope}`, "quiet scope"));
      row.insertCell().append(pill(record));
      row.insertCell().textContent = String(record.attempt);
      row.cells[2].className = "number";
      row.insertCell().textContent = timeText(record.claimed_at, new Date().toISOString());
    }
    next = page.cursor ?? "";
    at("list-box").hidden = page.keys.length === 0;
    at("list-said").textContent = page.keys.length === 0 ? "None." : `${page.keys.length} keys${next === "" ? "." : ", and more follow."}`;
  } catch (refusal) {
    next = "";
    at("list-box").hidden = true;
    at("list-said").textContent = reason(refusal);
  }
  at("list-next").hidden = next === "";
  at("list-first").hidden = cursor === "";
  at("list-next").disabled = at("list-first").disabled = false;
}

// The dialog: `kind` is resolve or forget, of the record that is shown.
let asked = null;

function allow() {
  const undecided = asked.kind === "resolve" && decision() === undefined;
  const unforced = asked.kind === "forget" && lives(asked.record) && !at("ask-force").checked;
  at("ask-do").disabled = undecided || unforced;
  at("ask-result-label").hidden = decision() !== "completed";
}

const decision = () => document.querySelector("input[name=decision]:checked")?.value;

function openDialog(kind) {
  asked = { kind, record: shown };
  const forgetting = kind === "forget";
  at("ask-form").reset();
  at("ask-said").textContent = "";
  at("ask-title").textContent = forgetting ? "Forget this key?" : "Resolve this key?";
  at("ask-key").textContent = `${shown.key} in scope ${shown.scope}${shown.tenant === undefined ? "" : ` of tenant ${shown.tenant}`}`;
  at("ask-what").textContent = forgetting
    ? "Its record and its stored answer are removed. The next request with this key runs as a new one, even if the work was done."
    : "Nobody here knows whether its work was done; ask whoever did it before you say. This is recorded in its history.";
  at("ask-decision").hidden = forgetting;
  at("ask-force-label").hidden = !(forgetting && lives(shown));
  at("ask-do").textContent = forgetting ? "Forget it" : "Resolve it";
  allow();
  at("ask").showModal();
  at("ask-cancel").focus();
}

async function act() {
  const { kind, record } = asked;
  const place = { scope: record.scope, tenant: record.tenant };
  at("ask-do").disabled = true;
  try {
    if (kind === "forget") {
      await ask("DELETE", target(["v1", "keys", record.key], { ...place, force: lives(record) ? "true" : undefined }));
    } else {
      const result = decision() === "completed" ? at("ask-result").value.trim() : "";
      const body = JSON.stringify({ key: record.key, scope: place.scope, tenant: place.tenant, decision: decision() });
      // As it was typed: read and written again, numbers would change.
      if (result !== "") JSON.parse(result);
      await ask("POST", "/v1/resolve", result === "" ? body : `${body.slice(0, -1)},"result":${result}}`);
    }
    at("ask").close();
    await lookUp(record.key);
    say(kind === "forget" ? "It is forgotten." : `It is resolved: ${decision()}.`);
    at("record-key").focus();
  } catch (refusal) {
    at("ask-said").textContent = refusal instanceof SyntaxError ? "The result is not JSON." : reason(refusal);
    allow();
  }
}

export function wireKeys() {
  at("lookup").addEventListener("submit", (event) => {
    event.preventDefault();
    lookUp(at("key").value);
  });
  at("list").addEventListener("submit", (event) => {
    event.preventDefault();
    list("");
  });
  at("list-next").addEventListener("click", () => list(next));
  at("list-first").addEventListener("click", () => list(""));
  at("resolve").addEventListener("click", () => openDialog("resolve"));
  at("forget").addEventListener("click", () => openDialog("forget"));
  at("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
  at("ask-form").addEventListener("change", allow);
  at("ask-cancel").addEventListener("click", () => at("ask").close());
}
