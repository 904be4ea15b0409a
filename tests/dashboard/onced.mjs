// SPDX-License-Identifier: MIT
// The real program in a folder of its own, and short words for its API; for the tests of its dashboard.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PATIENCE_MS = 20_000;

export const until = async (what, holds) => {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await holds();
    if (found) return found;
    if (performance.now() > end) throw new Error(`it did not come: ${what}`);
    await new Promise((done) => setTimeout(done, 20));  // real time: another process is waited for
  }
};

export const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

export class Onced {
  // `all`: of whoever ends them.
  static async start(program, flags = [], all = []) {
    const folder = mkdtempSync(join(tmpdir(), "onced-test-"));
    const here = new Onced();
    Object.assign(here, { program, flags, folder, port: await freePort() });
    all.push(here);
    await here.run();
    return here;
  }

  async end() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  // At the same port and on the same folder each time.
  async run() {
    this.said = "";
    this.process = spawn(this.program, ["serve", "--log-format", "text", "--http", `127.0.0.1:${this.port}`, "--data", `${this.folder}/data`, ...this.flags],
                         { stdio: ["ignore", "ignore", "pipe"] });
    this.process.stderr.on("data", (bytes) => { this.said += bytes; });
    await until(`the banner, after ${this.said}`, () => {
      if (this.process.exitCode !== null) throw new Error(`it ended: ${this.said}`);
      return this.said.includes("  try: ");
    });
    this.url = this.said.match(/dashboard +(http:\S+)/)[1];
  }

  async kill() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGKILL");
    await gone;
  }

  async ask(method, path, body, headers = {}) {
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(this.url.slice(0, -1) + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, ...(text.startsWith("{") ? JSON.parse(text) : {}) };
  }

  async claim(key, more = {}) {
    return this.ask("POST", "/v1/claim", { key, ...more });
  }

  async complete(key, more = {}) {
    const { fence } = await this.claim(key, more);
    return this.ask("POST", "/v1/complete", { key, fence, result: { paid: true } });
  }

  async state(key) {
    return (await this.ask("GET", `/v1/keys/${encodeURIComponent(key)}`)).state;
  }
}
