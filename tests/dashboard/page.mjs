// SPDX-License-Identifier: MIT
// What is done and read on the page of the dashboard, in words.
import { until } from "./onced.mjs";

export const number = (text) => Number(text.replaceAll(",", ""));
export const tile = (page, id) => page.text(`#tile-${id} .value`);
export const shown = (page, selector, wanted) => until(`${wanted} in ${selector}`, async () => (await page.text(selector)).includes(wanted));
export const ready = (page) => shown(page, "#state", "ready");

// As somebody does who comes back to the page: the next look is now.
export const comeBack = (page) => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

export async function lookUp(page, key) {
  await page.fill("#key", key);
  await page.click("#lookup button");
  await shown(page, "#record-key", key);
}
