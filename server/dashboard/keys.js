// SPDX-License-Identifier: MIT
// Keys: look one up and see its timeline, list them fifty at a time, resolve or forget one. What is done here
// are the calls of the API that `onced keys` makes, with the same rights.
import { ask, reason, refusalOf, strange, target } from "/dashboard/link.js";
import { bytesText, countText, timeText } from "/dashboard/figures.js";
import { lookForUnknownAgain } from "/dashboard/unknown.js";

const PAGE = 50;
const EVENTS = 100;  // of a timeline are shown
const at = (id) => document.getElementById(id);
const HINT = at("list-said").textContent;

let shown = null;   // the record that is looked at
let listed = null;  // what the list was asked for; its next page is of that, whatever the form says by then
let next = "";      // the cursor of the list's next page
let looking = 0;    // of several that are under way the last counts
let listing = 0;

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
  if (events.length > EVENTS) list.append(make("li", `${countText(events.length - EVENTS)} earlier`, "quiet"));
  for (const event of events.slice(-EVENTS)) {
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

// `where`: the scope and the tenant that were asked, which the forms may no longer name.
function show(key, record, events, where) {
  shown = record === null ? null : { ...record, ...where };
  at("record").hidden = record === null && events.length === 0;
  at("record-facts").replaceChildren();
  at("timeline").replaceChildren();
  at("record-key").textContent = key;
  if (at("record").hidden) return;
  if (record !== null) showFacts(record);
  showTimeline(events, record);
  at("timeline-box").scrollTop = at("timeline-box").scrollHeight;
  at("resolve").hidden = record === null || record.state === "completed" || lives(record);
  at("forget").hidden = record === null;
}

// What is under a key, and what has been; null for the first when there is none.
async function lookUp(key, where = place()) {
  const mine = ++looking;
  try {
    const { events } = (await ask("GET", target(["v1", "keys", key, "history"], where))) ?? {};
    const record = await ask("GET", target(["v1", "keys", key], where)).then((told) => told ?? {}, (refusal) => {
      if (refusal.status === 404) return null;
      throw refusal;
    });
    if (mine !== looking) return;
    if (!Array.isArray(events) || (record !== null && record.key !== key)) throw strange();
    show(key, record, events, where);
    say(record !== null ? "" : events.length > 0 ? "There is no live record under this key; it has a past." : "There is no such key.");
  } catch (fault) {
    if (mine !== looking) return;
    show(key, null, []);
    say(reason(refusalOf(fault)));
  }
}

async function openListed(record, tenant) {
  at("key").value = record.key;
  at("scope").value = record.scope;
  at("tenant").value = tenant ?? "";
  await lookUp(record.key, { scope: record.scope, tenant });
  at("record-key").focus();
}

// What the form asks for. What the gateway keeps has scopes of its own: as many as callers.
function listingOfForm() {
  const scope = at("list-scope").value;
  const within = at("list-wide").checked ? { scope_prefix: scope } : { scope: scope || undefined };
  return { ...within, tenant: place().tenant, prefix: at("prefix").value || undefined, state: at("list-state").value || undefined,
           limit: PAGE };
}

function showListed(page, { tenant }) {
  const body = at("keys").tBodies[0];
  body.replaceChildren();
  for (const record of page.keys) {
    const row = body.insertRow();
    const open = make("button", record.key, "link key");
    open.type = "button";
    open.addEventListener("click", () => openListed(record, tenant));
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
  at("list-box").scrollTop = 0;
  const count = page.keys.length === 0 ? "None" : page.keys.length === 1 ? "1 key" : `${page.keys.length} keys`;
  at("list-said").textContent = next === "" ? `${count}.` : `${count}${page.keys.length === 0 ? " so far" : ""}, and more follow.`;
}

const STEPS = ["list-first", "list-next"];
// Not `disabled`: that would take the focus from whoever goes on by the keyboard.
const setSteps = (waits) => STEPS.forEach((id) => at(id).setAttribute("aria-disabled", String(waits)));

// Its pages from the first on, of one listing.
async function list(query, cursor) {
  const mine = ++listing;
  listed = query;
  setSteps(true);
  try {
    const page = await ask("GET", target(["v1", "keys"], { ...query, cursor: cursor || undefined }));
    if (mine !== listing) return;
    if (!Array.isArray(page?.keys)) throw strange();
    showListed(page, query);
  } catch (fault) {
    if (mine !== listing) return;
    next = "";
    at("list-box").hidden = true;
    at("list-said").textContent = reason(refusalOf(fault));
  }
  const focused = document.activeElement;
  at("list-next").hidden = next === "";
  at("list-first").hidden = cursor === "";
  setSteps(false);
  // What has the focus may be gone now.
  if (STEPS.includes(focused?.id) && focused.hidden) STEPS.map(at).concat(at("list-box")).find((one) => !one.hidden)?.focus();
}

function step(id, cursor) {
  at(id).addEventListener("click", () => {
    if (at(id).getAttribute("aria-disabled") !== "true") list(listed, cursor());
  });
}

// They are nobody's to see without a token.
export function clearKeys() {
  ++looking;
  ++listing;
  next = "";
  show("", null, []);
  at("ask").close();
  at("ask-key").textContent = "";
  at("keys").tBodies[0].replaceChildren();
  for (const id of ["list-box", ...STEPS]) at(id).hidden = true;
  at("list-said").textContent = HINT;
  say("");
}

// The dialog: `kind` is resolve or forget, of the record that is shown.
let asked = null;

function allow() {
  const undecided = asked.kind === "resolve" && decision() === undefined;
  const unforced = asked.kind === "forget" && lives(asked.record) && !at("ask-force").checked;
  at("ask-do").disabled = undecided || unforced || asked.underWay;
  at("ask-result-label").hidden = decision() !== "completed";
}

const decision = () => document.querySelector("input[name=decision]:checked")?.value;

function openDialog(kind) {
  asked = { kind, record: shown, underWay: false };
  const forgetting = kind === "forget";
  at("ask-form").reset();
  at("ask-said").textContent = "";
  at("ask-title").textContent = forgetting ? "Forget this key?" : "Resolve this key?";
  at("ask-key").textContent = `${shown.key} in scope ${shown.scope}${shown.tenant === undefined ? "" : ` of tenant ${shown.tenant}`}`;
  at("ask-what").textContent = forgetting
    ? (shown.state === "unknown" ? "Nobody here knows whether its work was done: to say what came of it, resolve it instead. " : "")
      + "Its record and its stored answer are removed. The next request with this key runs as a new one, even if the work was done."
    : "Nobody here knows whether its work was done; ask whoever did it before you say. This is recorded in its history.";
  at("ask-decision").hidden = forgetting;
  at("ask-force-label").hidden = !(forgetting && lives(shown));
  at("ask-do").textContent = forgetting ? "Forget it" : "Resolve it";
  allow();
  at("ask").showModal();
  at("ask-cancel").focus();
}

const isJson = (text) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

function callOf(kind, record, decided, result) {
  const where = { scope: record.scope, tenant: record.tenant };
  if (kind === "forget") {
    return ask("DELETE", target(["v1", "keys", record.key], { ...where, force: lives(record) ? "true" : undefined }));
  }
  const body = JSON.stringify({ key: record.key, ...where, decision: decided });
  // As it was typed: read and written again, numbers would change.
  return ask("POST", "/v1/resolve", result === "" ? body : `${body.slice(0, -1)},"result":${result}}`);
}

// Meanwhile its dialog may be closed, another opened, and another key looked at: those are left as they are.
async function act() {
  const mine = asked;
  const { kind, record } = mine;
  const decided = decision();
  const result = decided === "completed" ? at("ask-result").value.trim() : "";
  if (result !== "" && !isJson(result)) {
    at("ask-said").textContent = "The result is not JSON.";
    return;
  }
  const isShown = () => shown !== null && shown.key === record.key && shown.scope === record.scope && shown.tenant === record.tenant;
  mine.underWay = true;
  at("ask-do").disabled = true;
  try {
    await callOf(kind, record, decided, result);
    lookForUnknownAgain();
    const waited = asked === mine && at("ask").open;
    if (waited) at("ask").close();
    const done = kind === "forget" ? "forgotten." : `resolved: ${decided}.`;
    if (!isShown()) {
      say(`${record.key} is ${done}`);
      return;
    }
    await lookUp(record.key, { scope: record.scope, tenant: record.tenant });
    if (at("record-key").textContent !== record.key) return;
    say(`It is ${done}`);
    if (waited) at("record-key").focus();
  } catch (fault) {
    const text = reason(refusalOf(fault));
    mine.underWay = false;
    if (asked !== mine || !at("ask").open) {
      say(`${record.key}: ${text}`);
      return;
    }
    at("ask-said").textContent = text;
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
    list(listingOfForm(), "");
  });
  step("list-next", () => next);
  step("list-first", () => "");
  at("resolve").addEventListener("click", () => openDialog("resolve"));
  at("forget").addEventListener("click", () => openDialog("forget"));
  at("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
  at("ask-form").addEventListener("change", allow);
  at("ask-cancel").addEventListener("click", () => at("ask").close());
}
