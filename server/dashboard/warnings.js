// SPDX-License-Identifier: MIT
// What somebody should look at, and what to do about it: read off the server's status, and off how its counters
// have moved in the last minutes. Each leads to an entry of server/RUNBOOK.md by its name. Pure.
import { bytesText, differences, durationText, outcomesOf, percentile } from "/dashboard/figures.js";

const SLOW_SYNC_US = 500e3;  // as the alert OncedSlowSyncs
const NEAR = 2;              // so many times the reserve left is little
const BREAKERS = 5;          // more than so many are told of as one

const DISK = "The disk is full";
const SYNCS = "Syncs are slow, writes stall";

function ofDisk(now) {
  if (now.database !== undefined) {
    return now.database.answers ? [] : [["bad", "The database does not answer. Calls that need it get 503.",
                                         "Look at the database, and the way to it; it resumes by itself.", "The database does not answer"]];
  }
  if (now.space_low) {
    return [["bad", `The disk is full: ${bytesText(now.disk_free_bytes)} left. New claims get 507, replays go on.`,
             "Make room on that disk; it resumes by itself.", DISK]];
  }
  if (now.disk_free_bytes < NEAR * now.disk_needed_bytes) {
    return [["odd", `The disk is nearly full: ${bytesText(now.disk_free_bytes)} left, and at ${bytesText(now.disk_needed_bytes)} new claims are refused.`,
             "Make room on that disk now.", DISK]];
  }
  return [];
}

function ofLog(before, now, stuckMs) {
  if (now.database !== undefined) return [];
  const found = [];
  if (stuckMs > 2000) {
    found.push(["bad", `The log is not being synced: ${now.answers_held} answers have waited ${durationText(stuckMs * 1000)} for the disk.`,
                "Look at the disk: dmesg, iostat -x 1. Nothing is acknowledged meanwhile.", SYNCS]);
  }
  if (now.writes_stopped) {
    found.push(["bad", "Writes have stopped until compactions have caught up.", "Find who else writes to that disk: iostat -x 1.", SYNCS]);
  }
  if (before === null) return found;
  const p99 = percentile(now.durations.bounds_us, differences(before.store.log_syncs.counts, now.store.log_syncs.counts), 0.99);
  if (p99 !== null && p99 > SLOW_SYNC_US) {
    found.push(["odd", `Syncs of the log are slow: one in a hundred takes ${durationText(p99)}.`, "Find who else writes to that disk: iostat -x 1.", SYNCS]);
  }
  const stalled = now.store.writes_stalled - before.store.writes_stalled;
  if (stalled > 0 && !now.writes_stopped) {
    found.push(["odd", `${stalled} writes were put off in the last minutes, because the storage would have stalled.`, "Slow the callers down, or give it a faster disk.", SYNCS]);
  }
  const troubles = now.store.troubles - before.store.troubles;
  if (troubles > 0) {
    found.push(["bad", `The storage has met ${troubles} faults of the disk in the last minutes.`, "dmesg, smartctl -a; is the disk mounted read-only?", "The log cannot be written"]);
  }
  return found;
}

const DO_OF_UPSTREAMS = "Mend the upstream; a call is let through now and then, and closes the breaker when it succeeds.";

function ofUpstreams(now) {
  const routes = now.gateway?.routes ?? [];
  const away = routes.filter((route) => route.breaker !== "closed");
  if (away.length > BREAKERS) {
    const names = away.slice(0, BREAKERS).map((route) => route.name).join(", ");
    return [[away.some((route) => route.breaker === "open") ? "bad" : "odd",
             `The breakers of ${away.length} of ${routes.length} routes are not closed: ${names} and ${away.length - BREAKERS} more.`,
             DO_OF_UPSTREAMS, "An upstream fails"]];
  }
  return away.map((route) => [
    route.breaker === "open" ? "bad" : "odd",
    `The breaker of route ${route.name} is ${route.breaker.replace("_", " ")}: ${route.upstream} fails, and is not asked.`,
    DO_OF_UPSTREAMS, "An upstream fails"]);
}

const DO_OF_UNKNOWN = "List the keys in state unknown below (of the gateway in scopes that begin with gw:), ask the upstream's records, and resolve each.";
const UNKNOWN = "Outcomes are unknown";

function ofOutcomes(before, now, unknownWait) {
  const waiting = ["odd", "Keys are unknown and wait to be resolved: nobody here knows whether their work was done.", DO_OF_UNKNOWN, UNKNOWN];
  if (before === null) return unknownWait ? [waiting] : [];
  const [then, told] = [outcomesOf(before), outcomesOf(now)];
  const found = [];
  const more = (name) => told[name] - then[name];
  if (more("retaken") > 0) {
    found.push(["odd", `Leases lapse: ${more("retaken")} runs were taken over in the last minutes, while their first owner may still work.`,
                "Owners that take long renew, or claim with a longer lease_ms.", "Leases lapse"]);
  }
  if (more("unknown") > 0) {
    found.push(["odd", `${more("unknown")} requests in the last minutes met an unknown outcome: nobody here knows whether the work was done.`,
                DO_OF_UNKNOWN, UNKNOWN]);
  } else if (unknownWait) {
    found.push(waiting);
  }
  if (more("failed") > 0) {
    found.push(["bad", `${more("failed")} requests have failed in the last minutes.`, "curl $url/readyz?verbose, and what onced itself says.", "onced does not answer"]);
  }
  return found;
}

// `before`: how it was some minutes ago, of the same process; null: not known. `stuckMs`: for how long answers
// have been held while nothing became durable. `unknownWait`: whether keys wait to be resolved.
export function warningsOf(before, now, stuckMs, unknownWait = false) {
  const found = [...ofDisk(now), ...ofLog(before, now, stuckMs), ...ofUpstreams(now), ...ofOutcomes(before, now, unknownWait)];
  if (now.clock_in_doubt) {
    found.push(["odd", "The clock is in doubt: it has jumped, or was never set. No lease ends early.", "timedatectl: set up time synchronisation.", "The clock has jumped"]);
  }
  if (now.state === "draining") {
    found.push(["odd", "It is asked to stop, and finishes what runs.", "Nothing, when that was meant.", "A stop does not end"]);
  }
  return found.map(([level, text, act, entry]) => ({ level, text, act, entry }));
}
