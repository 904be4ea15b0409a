// SPDX-License-Identifier: MIT
// Pictures of the dashboard under some load, for a person to look at: both themes, wide and narrow.
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";

import { lookUp } from "./page.mjs";

export const pictures = {
  async canBeLookedAt({ start, open }) {
    const folder = process.env.ONCED_SCREENSHOTS;
    mkdirSync(folder, { recursive: true });
    const upstream = createServer((_, answer) => answer.end("{}")).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    const onced = await start(["--gateway", "127.0.0.1:0", "--upstream", `http://127.0.0.1:${upstream.address().port}`]);
    const gateway = onced.said.match(/gateway +(http:\/\/[^/]+)/)[1];
    const pages = [];
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1280, 360]) pages.push([`${colorScheme}-${width}`, await open(onced, { width, colorScheme })]);
    }
    const end = performance.now() + Number(process.env.ONCED_SCREENSHOTS_AFTER_S ?? 20) * 1000;
    for (let i = 0; performance.now() < end; ++i) {
      const key = `order-${i}`;
      const { fence } = await onced.claim(key, { holder: "checkout-3", fingerprint: "f" });
      const crowd = Math.round(4 + 3 * Math.sin(i / 40));
      const waiting = Promise.all([...Array(2)].map(() => onced.claim(key, { fingerprint: "f", wait_ms: i % 9 === 0 ? 2000 : 0 })));
      if (i % 7 === 0) await fetch(`${gateway}/pay`, { method: "POST", headers: { "Idempotency-Key": `"g${i}"` }, body: "{}" });
      if (i % 31 === 0) await onced.claim(key, { fingerprint: "other" });
      if (i === 400) await onced.ask("POST", "/v1/mark-unknown", { key, fence });
      else await onced.ask("POST", "/v1/complete", { key, fence, result: { paid: true } });
      await Promise.all([waiting, ...[...Array(crowd)].map(() => onced.claim(key, { fingerprint: "f" }))]);
      await new Promise((done) => setTimeout(done, 10));  // real time: a load that is not all there is
    }
    for (const [name, page] of pages) {
      // The one that is shown to everybody has been under load until just now.
      if (name === "light-1280") await page.screenshot({ path: `${folder}/picture.png`, clip: { x: 0, y: 0, width: 1280, height: 648 } });
      await lookUp(page, "order-7");
      await page.fill("#prefix", "order-1");
      await page.click("#list button[type=submit]");
      await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
    }
    upstream.closeAllConnections?.();
    upstream.close();
  },
};
