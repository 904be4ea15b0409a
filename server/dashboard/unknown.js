// SPDX-License-Identifier: MIT
// Whether keys wait to be resolved: a counter tells of unknown outcomes only while callers ask for them. Looked
// for now and then, at ten thousand records a call, where a listing of the server ends by itself.
import { ask, target } from "/dashboard/link.js";

const EVERY_MS = 30_000;   // from one walk to the next
const STEP_MS = 5000;      // within one
let due = 0;
let cursor;                // where the walk is
let found = false;
let asking = false;

export const keysAreUnknown = () => found;

export async function lookForUnknown() {
  if (asking || performance.now() < due) return;
  asking = true;
  due = performance.now() + EVERY_MS;
  try {
    const page = await ask("GET", target(["v1", "keys"], { scope_prefix: "", state: "unknown", limit: 1, cursor }));
    found = page.keys.length > 0;
    // What was found is looked for at the same place again, until it is resolved.
    if (found) return;
    if (page.cursor !== undefined) due = performance.now() + STEP_MS;
    cursor = page.cursor;
  } catch {
    // The status tells of a server that does not answer, and a listing that this one will not go on with begins anew.
    cursor = undefined;
  } finally {
    asking = false;
  }
}

// Something was resolved, or it is another process.
export function lookForUnknownAgain() {
  due = 0;
  found = false;
}
