// SPDX-License-Identifier: MIT
// The dashboard: once a second it asks the server how it is doing and shows that; while nobody looks it asks
// nothing. What was shown stays when the server is gone, and a banner says so.
import { addPoint, drawCharts, drawDoor } from "/dashboard/charts.js";
import {
  OUTCOMES, bytesText, countText, differences, duplicatesIn, durationCounts, durationText, inFlight, outcomesOf, percentile,
  rateText, requestsIn, sameProcess, timeText, uptimeText,
} from "/dashboard/figures.js";
import { clearKeys, wireKeys } from "/dashboard/keys.js";
import { ask, canBeToken, refusalOf, strange, tokenIsGiven, useToken } from "/dashboard/link.js";
import { askAgainForRequests, clearRequests, showRequests } from "/dashboard/requests.js";
import { fillRows } from "/dashboard/tables.js";
import { keysAreUnknown, lookForUnknown, lookForUnknownAgain } from "/dashboard/unknown.js";
import { warningsOf } from "/dashboard/warnings.js";

const EVERY_MS = 1000;
const LOCKED_EVERY_MS = 10_000;  // while a token is missing
const LATENCY_MS = 10_500;   // rates and percentiles are of the last ten seconds
const WARNING_MS = 120_500;  // and warnings of the last two minutes

const at = (id) => document.getElementById(id);
const looks = [];  // statuses of one process, oldest first
let door = "";
let timer = 0;
let asking = false;
let shownAt = 0;
let shownTime = "";     // the server's, of what is shown
let badToken = false;   // what was typed last cannot be one
let stuckSince = null;  // when answers began to wait while nothing became durable

function setTile(id, value, more) {
  const tile = at(`tile-${id}`);
  tile.querySelector(".value").textContent = value;
  tile.querySelector(".more").textContent = more;
}

function showHeader(now) {
  const level = { ready: "good", draining: "odd", full: "bad", stalled: "bad", unreachable: "bad" }[now.state] ?? "odd";
  at("state").textContent = now.state;
  at("state").className = `pill ${level}`;
  at("version").textContent = now.version;
  at("uptime").textContent = uptimeText(now.uptime_s);
  at("durability").textContent = now.durability;
  at("epoch").textContent = String(now.fence_epoch ?? "–");
}

// The doors that are open, in the choice of which to show.
function showDoors(now) {
  const names = Object.keys(now.doors);
  const select = at("door");
  if (names.join() === [...select.options].slice(1).map((one) => one.value).join()) return;
  select.replaceChildren(new Option("all", ""), ...names.map((name) => new Option(name, name)));
  door = names.includes(door) ? door : "";
  select.value = door;
  drawDoor(door);
}

// How many a second of each outcome since `before`, of one door or of all.
function ratesOf(before, now, of) {
  const seconds = (now.uptime_ms - before.uptime_ms) / 1000;
  const [then, told] = [outcomesOf(before, of), outcomesOf(now, of)];
  return Object.fromEntries(Object.keys(told).map((name) => [name, Math.max(0, told[name] - then[name]) / seconds]));
}

function percentilesOf(before, now, of) {
  const counts = differences(durationCounts(before, of), durationCounts(now, of));
  return [0.5, 0.99, 0.999].map((share) => percentile(now.durations.bounds_us, counts, share));
}

function showTiles(now, rates, [p50, p99, p999]) {
  const told = outcomesOf(now, door);
  const replayed = countText(told.replayed);
  setTile("requests", rates === null ? "–" : rateText(requestsIn(rates)), `${countText(requestsIn(told))} since the start`);
  setTile("duplicates", countText(duplicatesIn(told)), `${replayed} replayed, ${countText(told.in_flight)} in flight`);
  setTile("latency", durationText(p99), `p50 ${durationText(p50)}, p99.9 ${durationText(p999)}`);
  const held = now.database === undefined ? `, ${countText(now.answers_held)} held for the disk` : "";
  setTile("flight", countText(inFlight(now)), `${countText(now.waiters)} waiters${held}`);
  at("tile-disk").hidden = now.database !== undefined;
  if (now.database !== undefined) {
    return setTile("storage", now.database.answers ? "a database" : "–", now.database.answers ? "it answers" : "it does not answer");
  }
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
    in_flight: inFlight(now), waiters: now.waiters, held: now.answers_held ?? 0,
  };
}

// One row a thing that is counted, one column a door.
function showTraffic(now) {
  const doors = Object.keys(now.doors);
  const table = at("traffic");
  fillRows(table.tHead, [[{ text: "Outcome", name: "th" }, ...doors.map((name) => ({ text: name, style: "number", name: "th" }))]]);
  const row = (text, figure) => [{ text, name: "th" }, ...doors.map((name) => {
    const number = figure(now.doors[name]);
    return { text: countText(number), style: number === 0 ? "number quiet" : "number" };
  })];
  fillRows(table.tBodies[0], [...OUTCOMES.map(([outcome, text]) => row(text, (figures) => figures.outcomes[outcome])),
                              row("connections now", (figures) => figures.connections)]);
}

function showUpstreams(now) {
  const routes = now.gateway?.routes ?? [];
  at("upstreams-panel").hidden = routes.length === 0;
  fillRows(at("upstreams").tBodies[0], routes.map((route) => [
    { text: route.name, style: "key" },
    { text: route.upstream, style: "key" },
    { text: route.breaker.replace("_", " "), pill: { closed: "good", open: "bad" }[route.breaker] ?? "odd" },
    { text: countText(route.breaker_opened), style: "number" },
  ]));
}

function emptyWarning() {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.target = "_blank";  // this page's token and charts would be gone
  link.rel = "noopener";
  item.append(document.createElement("strong"), " ", document.createElement("span"), " ", link);
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
  const before = looks.length > 1 ? looks[0] : null;
  const found = warningsOf(before, now, stuckSince === null ? 0 : performance.now() - stuckSince, keysAreUnknown());
  at("warnings-count").textContent = String(found.length);
  at("no-warnings").hidden = found.length > 0;
  const list = at("warnings");
  while (list.children.length > found.length) list.lastChild.remove();
  while (list.children.length < found.length) list.append(emptyWarning());
  found.forEach((warning, i) => fillWarning(list.children[i], warning));
  const entries = [...new Set(found.map((warning) => warning.entry))];
  tell(`${now.state}, ${found.length === 0 ? "nothing needs attention" : `warnings: ${entries.join("; ")}`}`);
}

// What a screen reader says when it changes.
function tell(text) {
  if (at("summary").textContent !== text) at("summary").textContent = text;
}

function noticeStuck(now) {
  const last = looks[looks.length - 1];
  const moves = last === undefined || last.durable_sequence !== now.durable_sequence || (now.answers_held ?? 0) === 0;
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
    lookForUnknownAgain();
  } else if (performance.now() - shownAt > 5 * EVERY_MS) {
    addPoint(null);  // nobody has looked for a while
  }
  shownAt = performance.now();
  noticeStuck(now);
  looks.push(now);
  const since = (ms) => looks.findIndex((one) => now.uptime_ms - one.uptime_ms <= ms);
  looks.splice(0, since(WARNING_MS));
  showHeader(now);
  showDoors(now);
  const lately = looks.slice(since(LATENCY_MS));
  const known = lately.length > 1;
  const rates = (of) => ratesOf(lately[lately.length - 2], now, of);
  const percentiles = (of) => percentilesOf(lately[0], now, of);
  showTiles(now, known ? rates(door) : null, known ? percentiles(door) : [null, null, null]);
  showTraffic(now);
  showUpstreams(now);
  showWarnings(now);
  if (known) addPoint(Object.fromEntries(["", ...Object.keys(now.doors)].map((of) => [of, pointOf(now, rates(of), percentiles(of))])));
  shownTime = now.now;
}

const asItWas = () => (shownTime === "" ? "" : ` What is below is as it was at ${timeText(shownTime, new Date().toISOString())} (UTC).`);

// Whoever is here may see nothing more. The numbers stay, marked; keys and requests go.
function lock(refusal) {
  const why = badToken ? "What was given cannot be a token: those are of letters, digits and signs of ASCII, without spaces."
            : refusal.status === 403 ? `This token may not: ${refusal.message}. Give one of a tenant with role = "admin".`
            : tokenIsGiven() ? "This token is not known here. What this page shows is for an admin of this server."
            : "What this page shows is for an admin of this server.";
  if (at("access-why").textContent !== why) at("access-why").textContent = why;
  banner(shownTime === "" ? "" : `Locked.${asItWas()}`);
  if (!at("access").hidden) return;
  at("access").hidden = false;
  clearKeys();
  clearRequests();
  // Not out of the hands of somebody who types.
  if ([null, document.body].includes(document.activeElement)) at("token").focus();
}

// What stands between this page and the numbers.
function showRefusal(refusal) {
  const wantsToken = refusal.status === 401 || refusal.status === 403;
  at("state").textContent = refusal.status === 0 ? "disconnected" : wantsToken ? "locked" : "not answering";
  at("state").className = "pill bad";
  tell(at("state").textContent);
  addPoint(null);
  if (wantsToken) {
    lock(refusal);
    return;
  }
  banner(refusal.status === 0 ? `Disconnected: ${refusal.message}.${asItWas()} It goes on by itself.`
                              : `The server answers ${refusal.status}: ${refusal.message}.${asItWas()} It goes on by itself.`);
}

const isStatus = (told) => Number.isFinite(told?.uptime_ms) && typeof told.state === "string" && typeof told.doors === "object";

async function look() {
  if (asking || document.hidden) return;
  asking = true;
  clearTimeout(timer);
  try {
    const now = await ask("GET", "/v1/status");
    if (!isStatus(now)) throw strange();
    show(now);
    at("access").hidden = true;
    badToken = false;
    banner("");
    // Neither is waited for: this look is done.
    showRequests(now.now);
    lookForUnknown();
  } catch (fault) {
    if (fault.status === undefined) looks.length = 0;  // nothing is reckoned from what was not understood
    showRefusal(refusalOf(fault));
  } finally {
    asking = false;
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, at("access").hidden ? EVERY_MS : LOCKED_EVERY_MS);
  }
}

function takeToken() {
  const given = at("token").value;
  at("token").value = "";
  badToken = !canBeToken(given);
  useToken(badToken ? "" : given);
  askAgainForRequests();
  if (badToken) lock({ status: 401 });
  else look();
}

function wire() {
  document.addEventListener("visibilitychange", look);
  at("door").addEventListener("change", () => {
    door = at("door").value;
    drawDoor(door);
  });
  at("access").addEventListener("submit", (event) => {
    event.preventDefault();
    takeToken();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
  wireKeys();
}

wire();
drawCharts();
look();
