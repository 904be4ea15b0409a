// SPDX-License-Identifier: MIT
// What the Node clients here share: steps, one line each, and what to say when one differs.
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { parseArgs } = require('node:util');

// Long enough for a machine that is busy with something else.
const kPatienceMs = 20_000;
const kNotHere = 77; // the exit code of what was skipped

const kEveryByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

// A run's keys are its own, so that any server will do, whatever is on it already.
let prefix;
const key = (name) => prefix + name;
const range = (count) => Array.from({ length: count }, (_, i) => i);

function within(got, least, most, what) {
  assert.ok(got >= least && got <= most, `${what} is ${got} and not between ${least} and ${most}`);
}

// The promise fails with this kind of error, and its text begins so.
async function fails(kind, words, promise) {
  const failed = await promise.then(
    (value) => assert.fail(`${JSON.stringify(value)} came, and not a ${kind.name} of "${words}"`),
    (error) => error);
  assert.ok(failed instanceof kind, `${failed.stack} is not a ${kind.name}`);
  assert.ok(failed.message.startsWith(words), `"${failed.message}" does not begin with "${words}"`);
}

function say(line) {
  process.stdout.write(line + '\n');
}

function begin(title) {
  prefix = `clients:${crypto.randomUUID()}:`;
  say(title);
}

async function eventually(condition) {
  const until = Date.now() + kPatienceMs;
  while (!(await condition())) {
    assert.ok(Date.now() < until, 'it never came true');
    await new Promise((go) => setTimeout(go, 10));
  }
}

// A thousand keys are found by `scan` however large its steps, and by `keys`, and no other.
async function scans({ mset, scan, keys, del }) {
  const wanted = range(1000).map((i) => key(`scan:${i}`)).sort();
  await mset(wanted.map((k) => [k, '']));
  await mset([[key('scans'), '']]);
  for (const [count, type] of [[], [7], [5000], [100, 'string']]) {
    const found = new Set();
    for await (const some of scan(key('scan:*'), count, type)) some.forEach((k) => found.add(k));
    assert.deepEqual([...found].sort(), wanted);
  }
  assert.deepEqual((await keys(key('scan:*'))).sort(), wanted);
  assert.equal(await del(wanted), 1000);
  assert.deepEqual(await keys(key('scan:*')), []);
}

// Goes on with `set` until it was answered by a server that was started anew, and then some; all that
// was acknowledged is there by then.
async function reconnects({ info, set, mget }) {
  const runId = async () => /^run_id:(\w+)/m.exec(await info())[1];
  const before = await runId();
  const acknowledged = [];
  const until = Date.now() + kPatienceMs;
  for (let after = 0; after < 50 && Date.now() < until;) {
    const i = acknowledged.length;
    assert.equal(await set(key(`seq:${i}`), String(i)), 'OK');
    acknowledged.push(key(`seq:${i}`));
    if (i === 100) say('ready');
    if (after > 0 || (i % 20 === 0 && await runId() !== before)) ++after;
  }
  assert.notEqual(await runId(), before, 'the server was not started anew');
  assert.deepEqual(await mget(acknowledged), range(acknowledged.length).map(String));
}

// `node PROGRAM PORT NAME-MAJOR [--reconnect | --password WORD]`: the library by that name of package.json,
// with its version; skipped when it is not installed, or wants a newer Node.
function given() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { reconnect: { type: 'boolean' }, password: { type: 'string' } },
  });
  const [port, name] = [Number(positionals[0]), positionals[1]];
  let about;
  try {
    about = require(`${name}/package.json`);
  } catch (error) {
    skip(`no ${name}: ${error.code}`);
  }
  const [wanted] = /\d+/.exec(about.engines.node);
  if (Number(process.versions.node.split('.')[0]) < Number(wanted)) {
    skip(`${name} wants Node ${about.engines.node}, and this is ${process.version}`);
  }
  return { port, library: require(name), title: `${about.name} ${about.version}`,
           major: Number(about.version.split('.')[0]), ...values };
}

function skip(why) {
  say(`skipped: ${why}`);
  process.exit(kNotHere);
}

// One line a step; exit code 1 at the first failure, or when one takes too long. The client may still
// be a promise of one.
async function run(steps, client) {
  for (const [name, step] of Object.entries(steps)) {
    const late = setTimeout(() => {
      say(`FAILED   ${name}: nothing came for ${kPatienceMs} ms`);
      process.exit(1);
    }, kPatienceMs);
    try {
      await step(await client);
    } catch (error) {
      say(`FAILED   ${name}\n${error.stack}`);
      process.exit(1);
    }
    clearTimeout(late);
    say(`ok       ${name}`);
  }
}

module.exports = { assert, begin, eventually, fails, given, kEveryByte, kPatienceMs, key, range,
                   reconnects, run, scans, within };
