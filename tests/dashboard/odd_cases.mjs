// SPDX-License-Identifier: MIT
// What the dashboard does when answers are late, strange or missing, one case each.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";

import { until } from "./onced.mjs";
import { comeBack, lookUp, ready, shown } from "./page.mjs";

const later = (ms) => new Promise((done) => setTimeout(done, ms));  // real time: an answer of the network that is late
const HTML = { body: "<html>log in</html>", contentType: "text/html" };
const looks = (page) => page.asked.filter((one) => one === "GET /v1/status").length;

async function nextLook(page) {
  const uptime = await page.text("#uptime");
  await until("another look", async () => (await page.text("#uptime")) !== uptime);
}

const complete = async (onced, key, scope) => {
  const { fence } = await onced.claim(key, { scope });
  await onced.ask("POST", "/v1/complete", { key, scope, fence });
};

export const oddCases = {
  async keepsNothingOfEachRedraw({ start, open }) {
    const page = await open(await start());
    await ready(page);
    const kept = await page.evaluate(async () => {
      const { addPoint } = await import("/dashboard/charts.js");
      const point = { executed: 1, replayed: 1 };
      for (let i = 0; i < 120; ++i) addPoint({ ...point, "": point });
      return ["throughput", "duplicates"].map((id) =>
        Math.max(...Object.values(window.Chart.getChart(`chart-${id}`)._stacks).map((stack) => Object.keys(stack).length)));
    });
    // One for each tenth of a second of the five minutes, however often they are drawn.
    for (const count of kept) assert.ok(count > 0 && count <= 3100, `${kept}`);
  },

  async saysThatWhatCameIsNoAnswer({ start, open }) {
    const onced = await start();
    await onced.complete("order-1");
    let answer = null;
    const page = await open(onced, { before: (one) => one.route(/\/v1\/(?!resolve)/, (route) => (answer === null ? route.continue() : route.fulfill(answer))) });
    await ready(page);
    for (const odd of [HTML, { json: null }, { json: {} }, { json: { ...(await onced.ask("GET", "/v1/status")), doors: { api: {} } } }]) {
      answer = odd;
      await comeBack(page);
      await shown(page, "#state", "disconnected");
      await shown(page, "#banner", "what came is not onced's answer. What is below is as it was at ");
      await page.fill("#key", "order-1");
      await page.click("#lookup button");
      await shown(page, "#key-said", "what came is not onced's answer");
      await page.click("#list button[type=submit]");
      await shown(page, "#list-said", "what came is not onced's answer");
      answer = null;
      await comeBack(page);
      await ready(page);
      await until("no banner", () => page.isHidden("#banner"));
    }
    const other = await open(onced, { before: (one) => one.route("**/v1/requests", (route) => route.fulfill(HTML)) });
    await shown(other, "#no-requests", "what came is not onced's answer");
    await other.expectClean();
    assert.ok(page.wrong.every((one) => one.startsWith("console: TypeError")), page.wrong.join());
  },

  async doesNotBlameWhatWasTypedForAStrangeAnswer({ start, open }) {
    const onced = await start();
    const { fence } = await onced.claim("unsure");
    await onced.ask("POST", "/v1/mark-unknown", { key: "unsure", fence });
    const page = await open(onced, { before: (one) => one.route("**/v1/resolve", async (route) => {
      await route.fetch();
      await route.fulfill(HTML);
    }) });
    await lookUp(page, "unsure");
    await page.click("#resolve");
    await page.click("text=It was done");
    await page.fill("#ask-result", "1");
    await page.click("#ask-do");
    await shown(page, "#ask-said", "what came is not onced's answer");
    assert.equal(await onced.state("unsure"), "completed");
    await page.expectClean();
  },

  async isFoundByALinkOfAnotherSite({ start, open }) {
    const onced = await start();
    const site = createServer((request, answer) => answer.end(`<a href="${onced.url}?from=chat">it</a>`)).listen(0, "127.0.0.1");
    await once(site, "listening");
    const page = await open(onced);
    for (const host of ["localhost", "127.0.0.1"]) {
      await page.goto(`http://${host}:${site.address().port}/`);
      await page.click("a");
      await ready(page);
    }
    await page.goto(`${onced.url}dashboard/`);
    await ready(page);
    assert.equal(page.url(), onced.url);
    site.closeAllConnections();
    site.close();
  },

  async isNotHeldUpByRequestsThatHang({ start, open }) {
    const onced = await start();
    const page = await open(onced, { before: (one) => one.route("**/v1/requests", () => {}) });
    await ready(page);
    const [begun, before] = [performance.now(), looks(page)];
    await until("three looks", () => looks(page) >= before + 3);
    assert.ok(performance.now() - begun < 4500, `${performance.now() - begun} ms`);
    assert.equal(page.asked.filter((one) => one === "GET /v1/requests").length, 1, "one at a time");
    await page.expectClean();
  },

  async tellsOfTheLastMinutesAndNotOfTheLastLooks({ start, open }) {
    let away = 0;  // an hour in which nobody looked
    const page = await open(await start(), { before: (one) => one.route("**/v1/status", async (route) => {
      const told = await (await route.fetch()).json();
      told.uptime_ms += away;
      told.uptime_s += away / 1000;
      if (away > 0) Object.assign(told.doors.api.outcomes, { retaken: 500, failed: 700 });
      if (away > 0) told.doors.api.durations.counts[16] += 100000;
      await route.fulfill({ json: told });
    }) });
    await ready(page);
    await nextLook(page);
    away = 3600e3;
    await shown(page, "#uptime", "1 h");
    assert.equal(await page.text("#warnings-count"), "0");
    await until("a new rate", async () => (await page.text("#tile-requests .value")) !== "–");
    assert.doesNotMatch(await page.text("#tile-latency"), /\d s/);
    assert.equal(await page.text("#warnings-count"), "0");
    await page.expectClean();
  },

  async warnsOfKeysThatWaitToBeResolved({ start, open }) {
    const onced = await start();
    const { fence } = await onced.claim("unsure", { scope: "elsewhere" });
    await onced.ask("POST", "/v1/mark-unknown", { key: "unsure", scope: "elsewhere", fence });
    const page = await open(onced, { allowed: ["/v1/keys/unsure"] });
    await shown(page, "#warnings", "wait to be resolved");
    await shown(page, "#summary", "warnings: Outcomes are unknown");
    const walks = () => page.asked.filter((one) => one.includes("state=unknown")).length;
    const link = page.locator("#warnings a");
    assert.deepEqual([await link.getAttribute("target"), await link.getAttribute("rel")], ["_blank", "noopener"]);
    assert.equal(walks(), 1, "not with each look");
    await page.fill("#scope", "elsewhere");
    await lookUp(page, "unsure");
    await page.click("#resolve");
    await page.click("text=It was not done");
    await page.click("#ask-do");
    await shown(page, "#key-said", "It is resolved");
    await shown(page, "#summary", "nothing needs attention");
    await page.expectClean();
  },

  async leavesASelectionAlone({ start, open }) {
    const one = (route) => ({ at: "2026-11-28T00:00:00.123Z", door: "api", method: "POST", route, status: 200, outcome: "replayed", duration_us: 5, request_id: route });
    const recent = [one("/old")];
    const page = await open(await start(), { before: (opened) => opened.route("**/v1/requests", (route) => route.fulfill({ json: { recent, slow: [] } })) });
    await shown(page, "#recent", "/old");
    await nextLook(page);
    const select = (selector) => page.evaluate((what) => window.getSelection().selectAllChildren(document.querySelector(what)), selector);
    const selected = () => page.evaluate(() => window.getSelection().toString());
    await select("#traffic tbody th");
    await nextLook(page);
    assert.equal(await selected(), "executed");
    await select("#recent tbody td.key");
    recent.unshift(one("/new"), one("/newer"));
    await shown(page, "#recent", "/newer");
    assert.equal(await selected(), "POST /old");
    assert.deepEqual(await page.locator("#recent td.key").allInnerTexts(), ["POST /new", "POST /newer", "POST /old"]);
    await page.expectClean();
  },

  async keepsTheChartsOfEachDoor({ start, open }) {
    const page = await open(await start());
    await ready(page);
    const drawn = () => page.evaluate(() => window.Chart.getChart("chart-throughput").data.datasets[0].data.filter((point) => point.y >= 0).length);
    await until("two points", async () => (await drawn()) >= 2);
    await page.selectOption("#door", "api");
    assert.ok((await drawn()) >= 2);
    await page.selectOption("#door", "");
    assert.ok((await drawn()) >= 2);
    await page.expectClean();
  },

  async canBeSeenByWhoSeesLittle({ start, open }) {
    const onced = await start();
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(onced, { colorScheme });
      await shown(page, "#summary", "ready, nothing needs attention");
      assert.equal(await page.getAttribute("#summary", "role"), "status");
      const faint = await page.evaluate(() => {
        const style = getComputedStyle(document.documentElement);
        const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => {
          const part = parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16) / 255;
          return sum + share * (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        }, 0);
        const of = (name) => light(style.getPropertyValue(name).trim()) + 0.05;
        return ["good", "main", "calm", "odd", "bad", "faint"].filter((name) => {
          const [line, panel] = [of(`--line-${name}`), of("--panel")];
          return Math.max(line, panel) / Math.min(line, panel) < 3;
        });
      });
      assert.deepEqual(faint, [], colorScheme);
      const [hint, quiet] = await page.evaluate(() => [getComputedStyle(document.getElementById("tenant"), "::placeholder").color,
                                                       getComputedStyle(document.getElementById("list-said")).color]);
      assert.equal(hint, quiet);
      await page.close();
    }
  },

  async forgetsTheKeyThatIsShown({ start, open }) {
    const onced = await start();
    for (const scope of ["a", "b"]) await complete(onced, "twice", scope);
    const page = await open(onced, { allowed: ["/v1/keys/twice"], before: (one) => one.route(/\/v1\/keys\/twice/, async (route) => {
      if (route.request().method() === "GET") await later(300);
      await route.continue();
    }) });
    await page.fill("#key", "twice");
    await page.fill("#scope", "a");
    const under = page.waitForRequest(/\/v1\/keys\/twice\//);
    await page.click("#lookup button");
    await under;
    await page.fill("#scope", "b");
    await shown(page, "#record-key", "twice");
    assert.match(await page.text("#record-facts"), /Scope\s+a\s/);
    await page.click("#forget");
    assert.match(await page.text("#ask-key"), /in scope a$/);
    await page.click("#ask-do");
    await shown(page, "#key-said", "It is forgotten.");
    assert.deepEqual(page.asked.filter((one) => one.startsWith("DELETE")), ["DELETE /v1/keys/twice?scope=a"]);
    await page.expectClean();
  },

  async leavesAnothersDialogOpen({ start, open }) {
    const onced = await start();
    for (const key of ["one", "two"]) await onced.complete(key);
    let go;
    const held = new Promise((done) => { go = done; });
    const page = await open(onced, { before: (one) => one.route(/\/v1\/keys\/one\?/, async (route) => {
      if (route.request().method() === "DELETE") await held;
      await route.continue();
    }) });
    await lookUp(page, "one");
    await page.click("#forget");
    await page.click("#ask-do");
    await page.keyboard.press("Escape");
    await lookUp(page, "two");
    await page.click("#forget");
    go();
    await shown(page, "#key-said", "one is forgotten.");
    assert.ok(await page.isVisible("#ask"));
    assert.match(await page.text("#ask-key"), /^two /);
    assert.equal(await page.text("#record-key"), "two");
    await page.click("#ask-do");
    await until("the second", async () => (await onced.state("two")) === undefined);
  },

  async listsWhatWasAskedForLast({ start, open }) {
    const onced = await start();
    const operations = ["p", "q"].flatMap((name) => Array.from({ length: 110 }, (_, i) => ({ op: "claim", key: `${name}-${String(i).padStart(3, "0")}` })));
    await onced.ask("POST", "/v1/batch", { operations });
    let go;
    const held = new Promise((done) => { go = done; });
    const page = await open(onced, { before: (one) => one.route(/\/v1\/keys\?.*prefix=p-/, async (route) => {
      await held;
      await route.continue();
    }) });
    await page.fill("#prefix", "p-");
    await page.keyboard.press("Enter");
    await page.fill("#prefix", "q-");
    await page.keyboard.press("Enter");
    await shown(page, "#list-said", "50 keys, and more follow.");
    const late = page.waitForResponse(/prefix=p-/);
    go();
    await (await late).finished();
    const first = () => page.text("#keys tbody tr:first-child td:first-child");
    assert.equal(await first(), "q-000");
    // The form says something else by now, and the keyboard stays where it is.
    await page.fill("#prefix", "other");
    const focused = () => page.evaluate(() => document.activeElement.id);
    await page.focus("#list-next");
    await page.keyboard.press("Enter");
    await until("the second page", async () => (await first()) === "q-050");
    assert.equal(await focused(), "list-next");
    await page.keyboard.press("Enter");
    await until("the last page", async () => (await first()) === "q-100");
    assert.equal(await focused(), "list-first", "there is no next one");
    await page.keyboard.press("Enter");
    await until("the first page", async () => (await first()) === "q-000");
    assert.equal(await focused(), "list-next");
    await page.expectClean();
  },

  async showsTheEndOfALongPast({ start, open }) {
    const onced = await start();
    await onced.complete("order-1");
    const events = Array.from({ length: 1300 }, (_, i) => ({ type: "claimed", at: "2026-11-28T00:00:00.123Z", attempt: i + 1, fence: i }));
    const page = await open(onced, { before: (one) => one.route("**/history?*", (route) => route.fulfill({ json: { events } })) });
    await lookUp(page, "order-1");
    const lines = await page.locator("#timeline li").allInnerTexts();
    assert.equal(lines.length, 101);
    assert.equal(lines[0], "1,200 earlier");
    assert.match(lines[100], /attempt 1300,/);
    const [button, past] = [await page.locator("#forget").boundingBox(), await page.locator("#timeline-box").boundingBox()];
    assert.ok(button.y < past.y && past.height <= 420, `${button.y} ${past.y} ${past.height}`);
    await page.click("#list button[type=submit]");
    await shown(page, "#list-said", "1 key.");
    await page.expectClean();
  },
};
