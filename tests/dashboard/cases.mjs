// SPDX-License-Identifier: MIT
// What the dashboard promises, one case each; of keys in keys_cases.mjs.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";

import { freePort, until } from "./onced.mjs";
import { lookUp, number, ready, shown, tile } from "./page.mjs";

// Of the table of what came of requests: the row's first number.
const counted = async (page, outcome) =>
  number(await page.locator("#traffic tbody tr", { has: page.locator(`th:text-is("${outcome}")`) }).locator("td").first().innerText());

async function fits(page) {
  const { wide, seen } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, seen: document.documentElement.clientWidth }));
  assert.ok(wide <= seen, `${wide} px in ${seen}`);
}

export const cases = {
  async isOnePageOfItsOwn({ start, open }) {
    const page = await open(await start());
    await ready(page);
    assert.equal(await page.title(), "onced");
    assert.match(await page.text("#version"), /^\d+\.\d+\.\d+$/);
    assert.equal(await page.text("#durability"), "sync");
    assert.match(await tile(page, "disk"), /iB$/);
    await until("a second point", async () => (await tile(page, "requests")) !== "–");
    // Each chart has drawn something.
    for (const id of ["throughput", "latency", "duplicates", "flight"]) {
      assert.ok(await page.evaluate((name) => {
        const canvas = document.getElementById(name);
        return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0);
      }, `chart-${id}`), id);
    }
    await page.expectClean();
  },

  async showsADuplicateBeingAbsorbedWithinTwoSeconds({ start, open }) {
    const onced = await start();
    const page = await open(onced);
    await ready(page);
    await onced.complete("order-1", { fingerprint: "f" });
    assert.equal(await tile(page, "duplicates"), "0");
    const begun = performance.now();
    assert.equal((await onced.claim("order-1", { fingerprint: "f" })).outcome, "replay");
    await until("the duplicate", async () => (await tile(page, "duplicates")) === "1");
    const took = performance.now() - begun;
    assert.ok(took < 2000, `${took} ms`);
    console.log(`         seen after ${Math.round(took)} ms`);
    await page.expectClean();
  },

  async tilesEqualTheStatus({ start, open }) {
    const onced = await start();
    const page = await open(onced);
    for (let i = 0; i < 30; ++i) {
      await onced.complete(`order-${i % 10}`, { fingerprint: "f" });
      await onced.claim(`order-${i % 10}`, { fingerprint: i % 5 === 0 ? "other" : "f" });
      await onced.claim(`held-${i % 3}`, { fingerprint: "f" });
    }
    const told = (await onced.ask("GET", "/v1/status")).doors.api.outcomes;
    assert.ok(told.replayed > 0 && told.in_flight > 0 && told.conflict > 0, JSON.stringify(told));
    await until("all of them", async () => number(await tile(page, "duplicates")) === told.replayed + told.in_flight);
    assert.match(await page.text("#tile-duplicates .more"), new RegExp(`^${told.replayed} replayed, ${told.in_flight} in flight`));
    for (const outcome of ["executed", "replayed", "in_flight", "conflict", "completed", "failed"]) {
      assert.equal(await counted(page, outcome.replace("_", " ")), told[outcome], outcome);
    }
    const now = await onced.ask("GET", "/v1/status");
    assert.equal(await page.text("#epoch"), String(now.fence_epoch));
    assert.equal(await page.text("#tile-storage .more"), `about ${now.keys_estimate} keys`);
    assert.equal(number(await tile(page, "flight")), now.doors.api.parked);
    // Only what is left over after the keyed ones moves: the looks of this page.
    const all = number((await page.text("#tile-requests .more")).split(" ")[0]);
    const keyed = Object.entries(told).reduce((sum, [name, count]) => sum + (name === "other" ? 0 : count), 0);
    assert.ok(all > keyed && all <= keyed + now.doors.api.outcomes.other + 2, `${all} of ${keyed}`);
    await page.expectClean();
  },

  async worksByTheKeyboardAlone({ start, open }) {
    const onced = await start();
    await onced.complete("order-1");
    const page = await open(onced);
    await ready(page);
    const focused = () => page.evaluate(() => document.activeElement.id);
    const tabTo = async (id) => {
      for (let i = 0; i < 40 && (await focused()) !== id; ++i) await page.keyboard.press("Tab");
      assert.equal(await focused(), id);
      const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(ring, "none", `${id} shows no focus`);
    };
    await tabTo("key");
    await page.keyboard.type("order-1");
    await page.keyboard.press("Enter");
    await shown(page, "#record-key", "order-1");
    await tabTo("forget");
    await page.keyboard.press("Enter");
    assert.equal(await focused(), "ask-cancel");
    await page.keyboard.press("Escape");
    assert.ok(await page.isHidden("#ask"));
    assert.equal(await focused(), "forget");
    assert.equal(await onced.state("order-1"), "completed");
    await page.expectClean();
  },

  async recoversFromARestart({ start, open }) {
    const onced = await start();
    for (let i = 0; i < 20; ++i) await onced.complete(`order-${i}`);
    const page = await open(onced);
    await ready(page);
    const epoch = await page.text("#epoch");
    // Every rate that is shown from now on. This page's own looks are requests, so that none may be zero.
    await page.evaluate(() => {
      window.rates = [];
      const value = document.querySelector("#tile-requests .value");
      new MutationObserver(() => window.rates.push(value.textContent)).observe(value, { childList: true, characterData: true, subtree: true });
    });
    await onced.kill();
    await shown(page, "#banner", "Disconnected");
    await shown(page, "#state", "disconnected");
    const wrong = page.wrong.filter((one) => !one.includes("ERR_CONNECTION_REFUSED"));
    await onced.run();
    await until("the next process", async () => (await page.text("#epoch")) !== epoch);
    assert.ok(await page.isHidden("#banner"));
    await ready(page);
    await onced.complete("order-20");
    await until("its counters", async () => (await counted(page, "completed")) === 1);
    const rates = await until("rates", async () => {
      const seen = await page.evaluate(() => window.rates);
      return seen.filter((rate) => rate !== "–").length >= 2 ? seen : null;
    });
    assert.ok(rates.every((rate) => rate === "–" || number(rate) > 0), rates.join());
    assert.deepEqual(wrong, []);
  },

  async fitsAPhoneInBothThemes({ start, open }) {
    const onced = await start();
    const long = "k".repeat(255);
    await onced.complete(long, { holder: "h".repeat(128) });
    const backgrounds = [];
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(onced, { width: 360, colorScheme });
      await ready(page);
      await lookUp(page, long);
      await page.click("#list button[type=submit]");
      await shown(page, "#list-said", "1 key.");
      await fits(page);
      await page.click("#forget");
      await fits(page);
      await page.click("#ask-cancel");
      backgrounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      await page.expectClean();
      await page.close();
    }
    assert.notEqual(backgrounds[0], backgrounds[1]);
  },

  async asksForATokenAndKeepsItToItself({ start, open }) {
    const book = ["ops admin admin-token", "shop app app-token"].map((line) => line.split(" ")).map(([name, role, token]) =>
      `[[tenant]]\nname = "${name}"\nrole = "${role}"\ntokens = ["${createHash("sha256").update(token).digest("hex")}"]\n`).join("");
    const folder = process.env.TMPDIR ?? "/tmp";
    const file = `${folder}/onced-dashboard-tokens-${process.pid}.toml`;
    writeFileSync(file, book, { mode: 0o600 });
    const onced = await start(["--tokens", file]);
    const page = await open(onced, { allowed: ["/v1/status"] });
    await page.waitForSelector("#access:not([hidden])");
    assert.equal(await page.evaluate(() => document.activeElement.id), "token");
    for (const [wrong, told] of [["geheim\u00e4", "cannot be a token"], ["two words", "cannot be a token"], ["wrong-token", "This token is not known here."]]) {
      await page.fill("#token", wrong);
      await page.keyboard.press("Enter");
      await shown(page, "#access-why", told);
      assert.equal(await page.text("#state"), "locked");
    }
    await page.fill("#token", "app-token");
    await page.keyboard.press("Enter");
    await shown(page, "#access-why", "this call needs the role admin");
    await page.fill("#token", "admin-token");
    await page.keyboard.press("Enter");
    await ready(page);
    assert.ok(await page.isHidden("#access"));
    assert.deepEqual(await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length, location.href, document.getElementById("token").value]),
                     ["", 0, 0, onced.url, ""]);
    assert.ok(page.asked.every((one) => !one.includes("token")));
    // An admin may look at others' keys.
    const app = { Authorization: "Bearer app-token" };
    await onced.ask("POST", "/v1/claim", { key: "theirs", lease_ms: 60000 }, app);
    await page.fill("#tenant", "shop");
    await lookUp(page, "theirs");
    assert.match(await page.text("#record-facts"), /in flight/);
    await page.click("#forget");
    assert.match(await page.text("#ask-key"), /of tenant shop/);
    await page.click("#ask-cancel");
    // What is listed is opened as the tenant's of whom it was listed.
    await page.click("#list button[type=submit]");
    await page.fill("#tenant", "");
    await page.click("#keys button:text-is('theirs')");
    await shown(page, "#record-facts", "in flight");
    assert.equal(await page.inputValue("#tenant"), "shop");
    // The token is revoked while somebody types.
    await until("a point", () => page.evaluate(() => window.Chart.getChart("chart-throughput").data.datasets[0].data.length > 0));
    await page.focus("#key");
    await page.route("**/v1/status", (route) => route.fulfill({ status: 401, json: { code: "unauthorized" } }));
    await shown(page, "#state", "locked");
    await shown(page, "#access-why", "This token is not known here.");
    assert.match(await page.text("#banner"), /^Locked\. What is below is as it was at \d\d:\d\d:\d\d/);
    assert.equal(await page.evaluate(() => document.activeElement.id), "key");
    for (const id of ["record", "list-box", "requests-box"]) assert.ok(await page.isHidden(`#${id}`), id);
    assert.doesNotMatch(await page.evaluate(() => document.body.textContent), /theirs/);
    assert.ok(await page.evaluate(() => Number.isNaN(window.Chart.getChart("chart-throughput").data.datasets[0].data.at(-1).y)));
    await page.expectClean();
  },

  async warnsOfABreakerThatIsOpenAndSaysWhatToDo({ start, open }) {
    const onced = await start(["--gateway", "127.0.0.1:0", "--upstream", `http://127.0.0.1:${await freePort()}`]);
    const gateway = onced.said.match(/gateway +(http:\/\/[^/]+)/)[1];
    const page = await open(onced);
    await ready(page);
    assert.match(await page.text("#upstreams"), /closed/);
    for (let i = 0; i < 8; ++i) await fetch(`${gateway}/pay`, { method: "POST", headers: { "Idempotency-Key": `"k${i}"` }, body: "{}" });
    await shown(page, "#upstreams", "open");
    await shown(page, "#warnings", "Runbook: An upstream fails");
    const link = await page.getAttribute("#warnings a:has-text('An upstream fails')", "href");
    await page.focus("#warnings a");
    const uptime = await page.text("#uptime");
    await until("another look", async () => (await page.text("#uptime")) !== uptime);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "A", "what has the focus keeps it");
    const runbook = await (await fetch(new URL(link, onced.url))).text();
    assert.ok(runbook.includes("\n## An upstream fails\n"));
    await page.expectClean();
  },

  // What cannot be brought about here quickly is told to the function that judges it.
  async warnsOfAllElse({ start, open }) {
    const onced = await start();
    const page = await open(onced);
    await ready(page);
    const status = await onced.ask("GET", "/v1/status");
    const entries = (change, stuckMs = 0) => page.evaluate(async ([then, now, stuck]) => {
      const { warningsOf } = await import("/dashboard/warnings.js");
      return warningsOf(then, now, stuck).map((one) => one.entry);
    }, [status, change(structuredClone(status)), stuckMs]);
    const changed = (path, value) => (now) => {
      const names = path.split(".");
      const last = names.pop();
      names.reduce((at, name) => at[name], now)[last] = value;
      return now;
    };
    assert.deepEqual(await entries((now) => now), []);
    const table = [
      ["space_low", true, "The disk is full"],
      ["disk_free_bytes", status.disk_needed_bytes + 1, "The disk is full"],
      ["writes_stopped", true, "Syncs are slow, writes stall"],
      ["store.writes_stalled", status.store.writes_stalled + 1, "Syncs are slow, writes stall"],
      ["store.log_syncs.counts", status.store.log_syncs.counts.map((_, i) => (i === 14 ? 5 : 0)), "Syncs are slow, writes stall"],
      ["store.troubles", status.store.troubles + 1, "The log cannot be written"],
      ["doors.api.outcomes.retaken", 1, "Leases lapse"],
      ["doors.api.outcomes.unknown", 1, "Outcomes are unknown"],
      ["doors.api.outcomes.failed", 1, "onced does not answer"],
      ["clock_in_doubt", true, "The clock has jumped"],
      ["state", "draining", "A stop does not end"],
    ];
    for (const [path, value, entry] of table) assert.deepEqual(await entries(changed(path, value)), [entry], path);
    assert.deepEqual(await entries((now) => now, 2500), ["Syncs are slow, writes stall"]);
    const routes = (count) => Array.from({ length: count }, (_, i) => ({ name: `r${i}`, upstream: "u", breaker: "open" }));
    assert.equal((await entries(changed("gateway", { routes: routes(5) }))).length, 5);
    assert.deepEqual(await entries(changed("gateway", { routes: routes(6) })), ["An upstream fails"]);
    const runbook = await (await fetch(`${onced.url}dashboard/RUNBOOK.md`)).text();
    for (const [, , entry] of table) assert.ok(runbook.includes(`\n## ${entry}\n`), entry);
  },

  async reckonsPercentiles({ start, open }) {
    const page = await open(await start());
    const found = await page.evaluate(async () => {
      const { percentile } = await import("/dashboard/figures.js");
      const bounds = [100, 200, 1000];
      return [percentile(bounds, [0, 0, 0, 0], 0.5), percentile(bounds, [100, 0, 0, 0], 0.5), percentile(bounds, [90, 9, 1, 0], 0.99),
              percentile(bounds, [0, 0, 0, 5], 0.5), percentile(bounds, [50, 0, 50, 0], 0.75)];
    });
    assert.deepEqual(found, [null, 50, 200, 1000, 600]);
  },

  async asksNothingWhileNobodyLooks({ start, open }) {
    const page = await open(await start());
    await ready(page);
    const turn = (hidden) => page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    await turn(true);
    await page.waitForTimeout(300);  // real time: what was under way ends
    const asked = page.asked.length;
    await page.waitForTimeout(1500);  // real time: it would have asked again
    assert.equal(page.asked.length, asked);
    await turn(false);
    await until("the next look", () => page.asked.length > asked);
  },

  async showsRecentAndSlowRequests({ start, open }) {
    const one = (route, us, more) => ({ at: "2026-11-28T00:00:00.123Z", door: "api", method: "POST", route, status: 200, outcome: "replayed",
                                        duration_us: us, request_id: "<i>", ...more });
    const before = (page) => page.route("**/v1/requests", (route) => route.fulfill({
      json: { recent: [one("/v1/claim", 123), one("<b>", 2500, { status: 503, outcome: "in_flight" })], slow: [one("/v1/batch", 7e6)] } }));
    const page = await open(await start(), { before });
    await shown(page, "#recent", "POST /v1/claim");
    assert.match(await page.text("#recent"), /123 µs[^]*POST <b>[^]*503 in flight[^]*2\.5 ms/);
    assert.match(await page.text("#slow"), /POST \/v1\/batch[^]*7 s/);
    await page.expectClean();
  },

  async saysThatItDrains({ start, open }) {
    const onced = await start(["--drain-delay", "3s"]);
    const page = await open(onced);
    await ready(page);
    onced.process.kill("SIGTERM");
    await shown(page, "#state", "draining");
    await shown(page, "#warnings", "asked to stop");
    await page.expectClean();
  },
};
