// SPDX-License-Identifier: MIT
// The dashboard: once a second it asks the server how it is doing and shows that; while nobody looks it asks
// nothing. What was shown stays when the server is gone, and a banner says so.
import { addPoint, drawCharts, forgetPoints } from "/dashboard/charts.js";
import {
  OUTCOMES, bytesText, countText, differences, duplicatesIn, durationCounts, durationText, inFlight, outcomesOf, percentile,
  rateText, requestsIn, sameProcess, uptimeText,
} from "/dashboard/figures.js";
import { wireKeys } from "/dashboard/keys.js";
import { ask, useToken } from "/dashboard/link.js";
import { askAgainForRequests, showRequests } from "/dashboard/requests.js";
import { warningsOf } from "/dashboard/warnings.js";

const EVERY_MS = 1000;
const LOCKED_EVERY_MS = 10_000;  // while a token is missing
const LATENCY_LOOKS = 10;    // percentiles are of the last ten seconds
const WARNING_LOOKS = 120;   // and warnings of the last two minutes

const at = (id) => document.getElementById(id);
const looks = [];  // statuses of one process, oldest first
let door = "";
let timer = 0;
let asking = false;
let shownAt = 0;
let stuckSince = null;  // when answers began to wait while nothing became durable

function setTile(id, value, more) {
  const tile = at(`tile-${id}`);
  tile.querySelector(".value").textContent = value;
  tile.querySelector(".more").textContent = more;
}

function showHeader(now) {
  const level = { ready: "good", draining: "odd", full: "bad", stalled: "bad" }[now.state] ?? "odd";
  at("state").textContent = now.state;
  at("state").className = `pill ${level}`;
  at("version").textContent = now.version;
  at("uptime").textContent = uptimeText(now.uptime_s);
  at("durability").textContent = now.durability;
  at("epoch").textContent = String(now.fence_epoch);
}

// The doors that are open, in the choice of which to show.
function showDoors(now) {
  const names = Object.keys(now.doors);
  const select = at("door");
  if (names.join() === [...select.options].slice(1).map((one) => one.value).join()) return;
  select.replaceChildren(new Option("all", ""), ...names.map((name) => new Option(name, name)));
  door = names.includes(door) ? door : "";
  select.value = door;
}

// How many a second of each outcome since `before`.
function ratesOf(before, now) {
  const seconds = (now.uptime_ms - before.uptime_ms) / 1000;
  const [then, told] = [outcomesOf(before, door), outcomesOf(now, door)];
  return Object.fromEntries(Object.keys(told).map((name) => [name, Math.max(0, told[name] - then[name]) / seconds]));
}

function percentilesOf(before, now) {
  const counts = differences(durationCounts(before, door), durationCounts(now, door));
  return [0.5, 0.99, 0.999].map((share) => percentile(now.durations.bounds_us, counts, share));
}

function showTiles(now, rates, [p50, p99, p999]) {
  const told = outcomesOf(now, door);
  const replayed = countText(told.replayed);
  setTile("requests", rates === null ? "–" : rateText(requestsIn(rates)), `${countText(requestsIn(told))} since the start`);
  setTile("duplicates", countText(duplicatesIn(told)), `${replayed} replayed, ${countText(told.in_flight)} in flight`);
  setTile("latency", durationText(p99), `p50 ${durationText(p50)}, p99.9 ${durationText(p999)}`);
  setTile("flight", countText(inFlight(now)), `${countText(now.waiters)} waiters, ${countText(now.answers_held)} held for the disk`);
  setTile("storage", bytesText(now.disk_bytes), `about ${countText(now.keys_estimate)} keys`);
  setTile("disk", bytesText(now.disk_free_bytes), `claims stop below ${bytesText(now.disk_needed_bytes)}`);
  at("tile-disk").className = now.space_low ? "bad" : now.disk_free_bytes < 2 * now.disk_needed_bytes ? "odd" : "";
}

function pointOf(now, rates, [p50, p99, p999]) {
  return {
    executed: rates.executed + rates.retaken,
    absorbed: duplicatesIn(rates),
    completed: rates.completed + rates.released + rates.renewed,
    disputed: rates.conflict + rates.unknown + rates.stale,
    failed: rates.refused + rates.failed,
    other: rates.other + rates.passed,
    replayed: rates.replayed, refused_in_flight: rates.in_flight,
    p50: p50 ?? NaN, p99: p99 ?? NaN, p999: p999 ?? NaN,
    in_flight: inFlight(now), waiters: now.waiters, held: now.answers_held,
  };
}

function cell(row, text, style, name = "td") {
  const made = document.createElement(name);
  made.textContent = text;
  if (style) made.className = style;
  if (name === "th") made.scope = row.parentNode.tagName === "THEAD" ? "col" : "row";
  row.append(made);
}

// One row a thing that is counted, one column a door.
function showTraffic(now) {
  const doors = Object.keys(now.doors);
  const table = at("traffic");
  table.tHead.replaceChildren();
  table.tBodies[0].replaceChildren();
  const head = table.tHead.insertRow();
  cell(head, "Outcome", "", "th");
  for (const name of doors) cell(head, name, "number", "th");
  const add = (text, figure) => {
    const numbers = doors.map((name) => figure(now.doors[name]));
    const row = table.tBodies[0].insertRow();
    cell(row, text, "", "th");
    for (const number of numbers) cell(row, countText(number), number === 0 ? "number quiet" : "number");
  };
  for (const [outcome, text] of OUTCOMES) add(text, (figures) => figures.outcomes[outcome]);
  add("connections now", (figures) => figures.connections);
}

function showUpstreams(now) {
  const routes = now.gateway?.routes ?? [];
  const body = at("upstreams").tBodies[0];
  at("upstreams-panel").hidden = routes.length === 0;
  body.replaceChildren();
  for (const route of routes) {
    const row = body.insertRow();
    cell(row, route.name, "key");
    cell(row, route.upstream, "key");
    const pill = document.createElement("span");
    pill.textContent = route.breaker.replace("_", " ");
    pill.className = `pill ${{ closed: "good", open: "bad" }[route.breaker] ?? "odd"}`;
    row.insertCell().append(pill);
    cell(row, countText(route.breaker_opened), "number");
  }
}

function emptyWarning() {
  const item = document.createElement("li");
  item.append(document.createElement("strong"), " ", document.createElement("span"), " ", document.createElement("a"));
  return item;
}

// In place: a link that has the focus keeps it.
function fillWarning(item, { level, text, act, entry }) {
  const [what, todo, link] = item.children;
  item.className = level;
  what.textContent = text;
  todo.textContent = act;
  link.href = `/dashboard/RUNBOOK.md#:~:text=${encodeURIComponent(`## ${entry}`)}`;
  link.textContent = `Runbook: ${entry}`;
}

function showWarnings(now) {
  const before = looks.length > 1 ? looks[Math.max(0, looks.length - 1 - WARNING_LOOKS)] : null;
  const found = warningsOf(before, now, stuckSince === null ? 0 : performance.now() - stuckSince);
  at("warnings-count").textContent = String(found.length);
  at("no-warnings").hidden = found.length > 0;
  const list = at("warnings");
  while (list.children.length > found.length) list.lastChild.remove();
  while (list.children.length < found.length) list.append(emptyWarning());
  found.forEach((warning, i) => fillWarning(list.children[i], warning));
}

function noticeStuck(now) {
  const last = looks[looks.length - 1];
  const moves = last === undefined || last.durable_sequence !== now.durable_sequence || now.answers_held === 0;
  stuckSince = moves ? null : (stuckSince ?? performance.now());
}

function banner(text) {
  if (at("banner").textContent !== text) at("banner").textContent = text;
  at("banner").hidden = text === "";
}

function show(now) {
  const last = looks[looks.length - 1] ?? null;
  if (last !== null && !sameProcess(last, now)) {
    looks.length = 0;
    addPoint(null);
    askAgainForRequests();
  } else if (performance.now() - shownAt > 5 * EVERY_MS) {
    addPoint(null);  // nobody has looked for a while
  }
  shownAt = performance.now();
  noticeStuck(now);
  looks.push(now);
  while (looks.length > WARNING_LOOKS + 1) looks.shift();
  showHeader(now);
  showDoors(now);
  const before = looks[looks.length - 2] ?? null;
  const rates = before === null ? null : ratesOf(before, now);
  const percentiles = before === null ? [null, null, null] : percentilesOf(looks[Math.max(0, looks.length - 1 - LATENCY_LOOKS)], now);
  showTiles(now, rates, percentiles);
  showTraffic(now);
  showUpstreams(now);
  showWarnings(now);
  if (rates !== null) addPoint(pointOf(now, rates, percentiles));
}

// What stands between this page and the numbers.
function showRefusal(refusal) {
  const wantsToken = refusal.status === 401 || refusal.status === 403;
  at("state").textContent = refusal.status === 0 ? "disconnected" : wantsToken ? "locked" : "not answering";
  at("state").className = "pill bad";
  if (wantsToken) {
    const why = refusal.status === 401 ? "What this page shows is for an admin of this server."
                                       : `This token may not: ${refusal.message}. Give one of a tenant with role = "admin".`;
    if (at("access-why").textContent !== why) at("access-why").textContent = why;
    if (at("access").hidden) {
      at("access").hidden = false;
      at("token").focus();
    }
    banner("");
    return;
  }
  banner(refusal.status === 0 ? `Disconnected: ${refusal.message}. What is below is as it was last; it goes on by itself.`
                              : `The server answers ${refusal.status}: ${refusal.message}. It goes on by itself.`);
  addPoint(null);
}

async function look() {
  if (asking || document.hidden) return;
  asking = true;
  clearTimeout(timer);
  try {
    const now = await ask("GET", "/v1/status");
    at("access").hidden = true;
    banner("");
    show(now);
    await showRequests(now.now);
  } catch (fault) {
    if (fault.status === undefined) throw fault;
    showRefusal(fault);
  } finally {
    asking = false;
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, at("access").hidden ? EVERY_MS : LOCKED_EVERY_MS);
  }
}

function wire() {
  document.addEventListener("visibilitychange", look);
  at("door").addEventListener("change", () => {
    door = at("door").value;
    forgetPoints();
  });
  at("access").addEventListener("submit", (event) => {
    event.preventDefault();
    useToken(at("token").value);
    at("token").value = "";
    askAgainForRequests();
    look();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
  wireKeys();
}

wire();
drawCharts();
look();
