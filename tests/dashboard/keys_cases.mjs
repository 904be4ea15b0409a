// SPDX-License-Identifier: MIT
// What the dashboard promises of keys, one case each.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";

import { until } from "./onced.mjs";
import { lookUp, ready, shown } from "./page.mjs";

const HOSTILE = `"><img/src=x/onerror=alert(1)>`;

export const keysCases = {
  async showsAHostileKeyAsText({ start, open }) {
    const onced = await start();
    await onced.complete(HOSTILE, { holder: "<b>who</b>" });
    const page = await open(onced);
    await lookUp(page, HOSTILE);
    assert.equal(await page.text("#record-key"), HOSTILE);
    assert.match(await page.text("#timeline"), /by <b>who<\/b>/);
    await page.click("#list button[type=submit]");
    await page.click(`#keys button:text-is(${JSON.stringify(HOSTILE)})`);
    await page.click("#forget");
    assert.ok((await page.text("#ask-key")).startsWith(HOSTILE));
    await page.click("#ask-do");
    await shown(page, "#key-said", "It is forgotten.");
    assert.equal(await onced.state(HOSTILE), undefined);
    assert.equal(await page.locator("img, b").count(), 0);
    page.wrong = page.wrong.filter((one) => !one.includes("404"));  // it is gone, and so it was asked
    await page.expectClean();
  },

  async takesKeysThatLookLikePaths({ start, open }) {
    const onced = await start();
    const page = await open(onced);
    for (const key of ["a/b", "a%2Fb", "?x=1#y", "a+b&c=d", ";DROP"]) {
      await onced.complete(key);
      await lookUp(page, key);
      assert.match(await page.text("#record-facts"), /completed/, key);
    }
    await page.fill("#key", "..");
    await page.click("#lookup button");
    await shown(page, "#key-said", "a browser cannot ask for this key");
    await page.expectClean();
  },

  async showsATimeline({ start, open }) {
    const onced = await start();
    await onced.claim("order-1", { lease_ms: 100, holder: "first" });
    await until("its lapse", async () => (await onced.ask("GET", "/v1/keys/order-1")).lapsed);
    await onced.complete("order-1", { holder: "second" });
    for (let i = 0; i < 3; ++i) await onced.claim("order-1");
    const page = await open(onced);
    await lookUp(page, "order-1");
    const lines = (await page.locator("#timeline strong").allInnerTexts());
    assert.deepEqual(lines.filter((line) => line !== "lapsed"), ["claimed", "retaken", "claimed", "completed", "replayed 3 times"]);
    await page.expectClean();
  },

  async resolvesAndForgetsByRealClicks({ start, open }) {
    const onced = await start();
    const { fence } = await onced.claim("unsure");
    await onced.ask("POST", "/v1/mark-unknown", { key: "unsure", fence });
    await onced.claim("busy");
    const page = await open(onced, { allowed: ["/v1/keys/unsure", "/v1/keys/busy"] });
    await page.selectOption("#list-state", "unknown");
    await page.click("#list button[type=submit]");
    await page.click(`#keys button:text-is("unsure")`);
    await page.click("#resolve");
    assert.match(await page.text("#ask"), /unsure in scope default/);
    assert.ok(await page.isDisabled("#ask-do"), "nothing is decided yet");
    await page.click("text=It was done");
    await page.fill("#ask-result", "{not json");
    await page.click("#ask-do");
    await shown(page, "#ask-said", "not JSON");
    assert.equal(await onced.state("unsure"), "unknown");
    await page.fill("#ask-result", `{"amount": 1.50}`);
    await page.click("#ask-do");
    await shown(page, "#key-said", "It is resolved");
    assert.equal(await onced.state("unsure"), "completed");
    const result = await fetch(`${onced.url}v1/keys/unsure/result`);
    assert.equal(await result.text(), `{"amount": 1.50}`);
    assert.match(await page.text("#timeline"), /resolved/);
    // Asked, and not done.
    await page.click("#forget");
    await page.click("#ask-cancel");
    assert.equal(await onced.state("unsure"), "completed");
    await page.click("#forget");
    await page.click("#ask-do");
    await shown(page, "#key-said", "It is forgotten.");
    assert.equal(await onced.state("unsure"), undefined);
    // A run may be at work under this one.
    await lookUp(page, "busy");
    assert.ok(await page.isHidden("#resolve"), "it is not to be resolved while its lease is live");
    await page.click("#forget");
    assert.ok(await page.isDisabled("#ask-do"), "it must be forced");
    await page.check("#ask-force");
    await page.click("#ask-do");
    await shown(page, "#key-said", "It is forgotten.");
    assert.deepEqual(page.asked.filter((one) => one.startsWith("DELETE")),
                     ["DELETE /v1/keys/unsure?scope=default", "DELETE /v1/keys/busy?scope=default&force=true"]);
    await page.expectClean();
  },

  async resolvesWhatTheGatewayCouldNotKnow({ start, open }) {
    // It takes the request, and goes away.
    const upstream = createServer((request) => request.socket.destroy()).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    const onced = await start(["--gateway", "127.0.0.1:0", "--upstream", `http://127.0.0.1:${upstream.address().port}`]);
    const gateway = onced.said.match(/gateway +(http:\/\/[^/]+)/)[1];
    await fetch(`${gateway}/pay`, { method: "POST", headers: { "Idempotency-Key": `"paid"` }, body: "{}" });
    const page = await open(onced, { allowed: ["/v1/keys/paid", "/v1/resolve"] });
    await page.fill("#list-scope", "gw:");
    await page.check("#list-wide");
    await page.selectOption("#list-state", "unknown");
    await page.click("#list button[type=submit]");
    await page.click(`#keys button:text-is("paid")`);
    await shown(page, "#record-facts", "gw:");
    await page.click("#resolve");
    assert.match(await page.text("#ask"), /paid in scope gw:/);
    // What cannot be replayed as an answer over HTTP is refused by the server, and that is told.
    await page.click("text=It was done");
    await page.fill("#ask-result", "1");
    await page.click("#ask-do");
    await shown(page, "#ask-said", "result");
    await page.click("text=It was not done");
    await page.click("#ask-do");
    await shown(page, "#key-said", "It is resolved: released.");
    await page.click("#list button[type=submit]");
    await shown(page, "#list-said", "None.");
    upstream.close();
    await page.expectClean();
  },

  async loadsFiftyOfTenThousandKeys({ start, open }) {
    const onced = await start();
    for (let block = 0; block < 10; ++block) {
      const operations = [];
      for (let i = 0; i < 1000; ++i) operations.push({ op: "claim", key: `k-${String(block * 1000 + i).padStart(5, "0")}` });
      assert.equal((await onced.ask("POST", "/v1/batch", { operations })).status, 200);
    }
    const page = await open(onced);
    await ready(page);
    const lists = () => page.asked.filter((one) => one.startsWith("GET /v1/keys?") && !one.includes("state=unknown"));
    assert.deepEqual(lists(), [], "none before it is asked for");
    await page.click("#list button[type=submit]");
    await shown(page, "#list-said", "50 keys, and more follow.");
    assert.equal(await page.locator("#keys tbody tr").count(), 50);
    await page.click("#list-next");
    await until("the second page", async () => (await page.text("#keys tbody tr:first-child")).startsWith("k-00050"));
    assert.equal(await page.locator("#keys tbody tr").count(), 50, "a page takes the place of the one before");
    assert.equal(lists().length, 2);
    assert.ok(lists().every((one) => one.includes("limit=50")), lists().join());
    await page.fill("#prefix", "k-0999");
    await page.click("#list button[type=submit]");
    await shown(page, "#list-said", "10 keys.");
    assert.ok(await page.isHidden("#list-next"));
    await lookUp(page, "k-09999");
    await page.expectClean();
  },
};
