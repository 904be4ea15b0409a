// SPDX-License-Identifier: MIT
// Runs work once for a key, by a onced at `url`: the whole client, with nothing but Node itself.
import { randomUUID } from "node:crypto";

const sleep = (s) => new Promise((done) => setTimeout(done, s * 1000));

export function client(url = "http://127.0.0.1:6623") {
  async function ask(call, body) {
    for (;;) {
      let answer;
      try {
        answer = await fetch(`${url}/v1/${call}`, { method: "POST", body: JSON.stringify(body),
          headers: { "Content-Type": "application/json" } });
      } catch { await sleep(1); continue; }  // no answer: whoever has a claim_id may ask again
      const told = await answer.json().catch(() =>  // a proxy's
        ({ retryable: answer.ok || answer.status >= 500, code: answer.status, detail: answer.statusText }));
      if (answer.ok && told.code === undefined) return [answer.status, told];
      if (!told.retryable) throw new Error(`${told.code}: ${told.detail}`);
      await sleep(Number(answer.headers.get("Retry-After") ?? 1));
    }
  }
  return async function once(key, fingerprint, work, lease_ms = 30000) {
    const [status, told] = await ask("claim", { key, fingerprint, claim_id: randomUUID(), lease_ms, wait_ms: 30000 });
    if (status === 200) return told.result;  // it has run before
    const run = { key, fence: told.fence };
    const renewing = setInterval(() => ask("renew", { ...run, lease_ms }).catch(() => {}), lease_ms / 3);
    let result;
    try {
      result = await work();
    } catch (error) {
      await ask("release", run);  // only if nothing was done; else: ask("mark-unknown", run)
      throw error;
    } finally {
      clearInterval(renewing);
    }
    await ask("complete", { ...run, result });
    return result;
  };
}
