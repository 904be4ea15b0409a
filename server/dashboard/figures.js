// SPDX-License-Identifier: MIT
// What two looks at the server's counters come to: rates and percentiles; and numbers as people read
// them. Pure.

// Outcomes as the charts and the table name them.
export const OUTCOMES = [
  ["executed", "executed"],
  ["retaken", "retaken"],
  ["replayed", "replayed"],
  ["in_flight", "in flight"],
  ["conflict", "conflict"],
  ["unknown", "unknown"],
  ["completed", "completed"],
  ["released", "released"],
  ["renewed", "renewed"],
  ["stale", "stale fence"],
  ["passed", "passed"],
  ["refused", "refused"],
  ["failed", "failed"],
  ["other", "other"],
];

const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

// The doors that are meant: all, or the one of that name.
function doorsOf(status, door) {
  return Object.entries(status.doors).filter(([name]) => door === "" || name === door).map(([, figures]) => figures);
}

export function outcomesOf(status, door = "") {
  const doors = doorsOf(status, door);
  return Object.fromEntries(OUTCOMES.map(([name]) => [name, sum(doors.map((one) => one.outcomes[name] ?? 0))]));
}

export const requestsIn = (outcomes) => sum(Object.values(outcomes));
// What asked for work that runs or has run, and did not run it again.
export const duplicatesIn = (outcomes) => outcomes.replayed + outcomes.in_flight;

export function durationCounts(status, door = "") {
  const doors = doorsOf(status, door);
  return status.durations.bounds_us.concat([Infinity]).map((_, i) => sum(doors.map((one) => one.durations.counts[i])));
}

// What requests hold at this moment: those that run upstream, and those that wait for another's run.
export function inFlight(status) {
  return (status.gateway?.runs_under_way ?? 0) + sum(Object.values(status.doors).map((one) => one.parked));
}

// Whether `now` is a later look at the same process as `before`: across a restart nothing is subtracted.
export function sameProcess(before, now) {
  return before !== null && before.fence_epoch === now.fence_epoch && before.uptime_ms < now.uptime_ms;
}

export const differences = (before, now) => now.map((count, i) => Math.max(0, count - before[i]));

// The duration in us below which `share` of the counted lie, spread evenly within its bucket; null: none were
// counted. Of the last bucket, which has no end, its beginning.
export function percentile(bounds, counts, share) {
  const all = sum(counts);
  if (all === 0) return null;
  let left = share * all;
  for (let i = 0; i < counts.length; ++i) {
    const from = i === 0 ? 0 : bounds[i - 1];
    if (left <= counts[i] && counts[i] > 0) return i === bounds.length ? from : from + (left / counts[i]) * (bounds[i] - from);
    left -= counts[i];
  }
  return bounds[bounds.length - 1];
}

// With one digit after the point, unless it is a zero.
const short = (number) => number.toFixed(1).replace(/\.0$/, "");

export function countText(number) {
  return Math.round(number).toLocaleString("en-US");
}

export function rateText(rate) {
  return rate >= 10 ? countText(rate) : short(rate);
}

export function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit + 1 < units.length) {
    bytes /= 1024;
    ++unit;
  }
  return `${unit > 0 && bytes < 10 ? short(bytes) : Math.round(bytes)} ${units[unit]}`;
}

export function durationText(us) {
  if (us === null) return "–";
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${us < 10e3 ? short(us / 1000) : Math.round(us / 1000)} ms`;
  return `${us < 10e6 ? short(us / 1e6) : Math.round(us / 1e6)} s`;
}

export function uptimeText(seconds) {
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

// Of an RFC 3339 time: the day only when it is not `now`'s.
export function timeText(time, now) {
  const [day, clock] = [time.slice(0, 10), time.slice(11, 23)];
  return now !== undefined && now.slice(0, 10) === day ? clock : `${day} ${clock}`;
}
