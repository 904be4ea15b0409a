// SPDX-License-Identifier: MIT
// The dashboard in Debian's Chromium, by real clicks and keys, of the real program:
//     node tests/dashboard/browser.mjs ONCED NODE_MODULES [CASE...]
// Exit 77, with the reason: no Chromium, or nothing to drive it with. With ONCED_SCREENSHOTS=FOLDER it only
// leaves pictures there.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";

import { cases } from "./cases.mjs";
import { keysCases } from "./keys_cases.mjs";
import { oddCases } from "./odd_cases.mjs";
import { Onced } from "./onced.mjs";
import { pictures } from "./pictures.mjs";

const [program, modules, ...wanted] = process.argv.slice(2);
const CHROMIUMS = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];
const PATIENCE_MS = 15_000;
const LANES = 3;  // they mostly wait for the next look

function skip(why) {
  console.log(`skipped: ${why}`);
  process.exit(77);
}

const executablePath = CHROMIUMS.find(existsSync) ?? skip("no Chromium here: install chromium-headless-shell");
if (!existsSync(`${modules}/playwright-core`)) skip("no playwright-core here: tests/clients/fetch could not have it");
const { chromium } = createRequire(`${modules}/`)("playwright-core");

const browser = await chromium.launch({ executablePath, args: process.getuid() === 0 ? ["--no-sandbox"] : [] });

// A page on which everything that must not be is counted. `allowed`: paths that may answer with an error, of
// which a browser tells in its console.
async function open(contexts, onced, { width = 1280, height = 900, colorScheme = "light", allowed = [], before = async () => {} } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  contexts.push(context);
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.wrong = [];
  page.asked = [];
  page.on("console", (message) => {
    const path = message.location().url.replace(/^https?:\/\/[^/]+/, "").replace(/\?.*/, "");
    // Where nobody keeps the requests.
    const told = message.text().startsWith("Failed to load resource") && allowed.includes(path);
    if (!told && ["error", "warning"].includes(message.type())) page.wrong.push(`console: ${message.text()} ${path}`);
  });
  page.on("pageerror", (error) => page.wrong.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    page.wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol === "data:") return;
    if (url.origin !== new URL(onced.url).origin) page.wrong.push(`foreign: ${url}`);
    page.asked.push(`${request.method()} ${url.pathname}${url.search}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await before(page);
  await page.goto(onced.url);
  page.text = (selector) => page.locator(selector).innerText();
  page.expectClean = async () => {
    assert.deepEqual(page.wrong, []);
    assert.deepEqual(await page.evaluate(() => window.violations), []);
  };
  page.close = () => context.close();
  return page;
}

let failed = 0;

async function judge([name, run]) {
  const begun = performance.now();
  const [contexts, started] = [[], []];
  const start = (flags) => Onced.start(program, flags, started);
  try {
    await run({ start, open: (...how) => open(contexts, ...how), program });
    console.log(`ok       ${name} (${Math.round(performance.now() - begun)} ms)`);
  } catch (error) {
    ++failed;
    console.log(`FAILED   ${name}\n${error.stack}`);
  } finally {
    await Promise.all(contexts.map((context) => context.close()));
    await Promise.all(started.map((onced) => onced.end()));
  }
}

const all = Object.entries(process.env.ONCED_SCREENSHOTS === undefined ? { ...cases, ...keysCases, ...oddCases } : pictures);
const left = all.filter(([name]) => wanted.length === 0 || wanted.includes(name));
const lane = async () => {
  while (left.length > 0) await judge(left.shift());
};
await Promise.all(Array.from({ length: LANES }, lane));
await browser.close();
process.exit(failed === 0 ? 0 : 1);
