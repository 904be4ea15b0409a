// SPDX-License-Identifier: MIT
// ioredis, as its makers publish it, against whatever speaks Redis' protocol on a port:
//     NODE_PATH=.../node_modules node ioredis_client.js PORT ioredis-6 [--reconnect | --password WORD]
'use strict';
const { assert, begin, eventually, fails, given, kEveryByte, key, range, reconnects, run, scans,
        within } = require('./steps.js');

const { port, library, title, major, reconnect, password } = given();
const { Redis, ReplyError } = library;

let connect; // another client of the same server

const steps = {
  'connects, and says who it is': async (r) => {
    assert.equal(await r.ping(), 'PONG');
    const named = connect({ connectionName: 'io-client', db: 3 });
    assert.equal(await named.client('GETNAME'), 'io-client');
    assert.match(await named.client('LIST'), /name=io-client .* db=3 /);
    within(await named.client('ID'), 1, Number.MAX_SAFE_INTEGER, 'its number');
    assert.equal(await named.client('SETNAME', 'io-renamed'), 'OK');
    assert.equal(await named.client('GETNAME'), 'io-renamed');
    await named.set(key('there'), 1);
    assert.equal(await r.exists(key('there')), 0, "another database's key");
    assert.equal(await named.del(key('there')), 1);
    assert.equal(await named.quit(), 'OK');
    assert.match(await r.info('server'), /^redis_version:\d+\./m);
    assert.equal((await r.role())[0], 'master');
    assert.deepEqual(await r.config('GET', 'databases'), ['databases', '16']);
    const lazy = connect({ lazyConnect: true });
    await lazy.connect();
    assert.equal(lazy.status, 'ready');
    lazy.disconnect();
  },

  'keeps every byte of keys and values': async (r) => {
    const odd = Buffer.concat([Buffer.from(key('odd')), kEveryByte]);
    const large = Buffer.concat(range(4096).map(() => kEveryByte));
    for (const value of [Buffer.alloc(0), Buffer.from('\r\n'), kEveryByte, large]) {
      assert.equal(await r.set(odd, value), 'OK');
      assert.deepEqual(await r.getBuffer(odd), value);
      assert.equal(await r.strlen(odd), value.length);
    }
    assert.equal(await r.get(key('none')), null);
    await r.set(key('text'), 'grün 🎉');
    assert.equal(await r.get(key('text')), 'grün 🎉');
  },

  'counts, appends, and sets several at a time': async (r) => {
    assert.equal(await r.incr(key('n')), 1);
    assert.equal(await r.incrby(key('n'), 10), 11);
    assert.equal(await r.incrbyfloat(key('n'), 0.5), '11.5');
    assert.equal(await r.append(key('text'), 'abc'), Buffer.byteLength('grün 🎉abc'));
    assert.equal(await r.mset({ [key('a')]: 1, [key('b')]: 2 }), 'OK');
    assert.equal(await r.msetnx(key('b'), 3, key('c'), 3), 0);
    assert.deepEqual(await r.mget(key('a'), key('b'), key('c')), ['1', '2', null]);
    assert.equal(await r.getset(key('a'), 'x'), '1');
    assert.equal(await r.getdel(key('a')), 'x');
    assert.equal(await r.type(key('b')), 'string');
    assert.equal(await r.unlink(key('a'), key('b')), 1);
  },

  'a thousand commands in a pipeline, answered in order': async (r) => {
    const pipeline = r.pipeline();
    for (const i of range(1000)) pipeline.set(key(`p${i}`), i).get(key(`p${i}`));
    assert.deepEqual(await pipeline.exec(),
                     range(1000).flatMap((i) => [[null, 'OK'], [null, String(i)]]));
    const [one, failed, two] =
      await r.pipeline().get(key('p1')).incr(key('text')).get(key('p2')).exec();
    assert.deepEqual([one, two], [[null, '1'], [null, '2']]);
    assert.match(failed[0].message, /^ERR value is not an integer/);
    // Without a pipeline: whatever is sent in one turn travels together.
    assert.deepEqual(await Promise.all(range(1000).map((i) => r.getdel(key(`p${i}`)))),
                     range(1000).map(String));
    const auto = connect({ enableAutoPipelining: true });
    await Promise.all(range(100).map((i) => auto.set(key(`p${i}`), i)));
    assert.equal(await auto.del(range(100).map((i) => key(`p${i}`))), 100);
    auto.disconnect();
  },

  'transactions: whole, called off by a change, discarded': async (r) => {
    await r.set(key('n'), 1);
    assert.deepEqual(await r.multi().incr(key('n')).get(key('n')).expire(key('n'), 100).exec(),
                     [[null, 2], [null, '2'], [null, 1]]);
    const other = connect();
    await r.watch(key('n'));
    await other.set(key('n'), 40);
    assert.equal(await r.multi().incr(key('n')).exec(), null);
    assert.equal(await r.get(key('n')), '40');
    await r.watch(key('n'));
    await r.unwatch();
    await other.set(key('n'), 41);
    assert.deepEqual(await r.multi().incr(key('n')).exec(), [[null, 42]]);
    await r.multi({ pipeline: false });
    assert.equal(await r.set(key('n'), 'never'), 'QUEUED');
    assert.equal(await r.discard(), 'OK');
    const [done, failed] = await r.multi().set(key('t'), 'text').incr(key('t')).exec();
    assert.deepEqual(done, [null, 'OK']);
    assert.match(failed[0].message, /^ERR value is not an integer/);
    await fails(ReplyError, 'EXECABORT Transaction discarded because of previous errors.',
                r.multi().set(key('t'), 'never').call('GET').exec());
    assert.deepEqual(await r.mget(key('n'), key('t')), ['42', 'text']);
    other.disconnect();
  },

  'SET NX: the first has it, for a time': async (r) => {
    assert.equal(await r.set(key('claim'), 'one', 'EX', 100, 'NX'), 'OK');
    assert.equal(await r.set(key('claim'), 'two', 'PX', 100_000, 'NX'), null);
    assert.equal(await r.set(key('claim'), 'two', 'PX', 1000, 'NX', 'GET'), 'one');
    within(await r.ttl(key('claim')), 90, 100, 'its time');
    assert.equal(await r.set(key('claim'), 'three', 'KEEPTTL'), 'OK');
    within(await r.pttl(key('claim')), 90_000, 100_000, 'its time kept');
    assert.equal(await r.del(key('claim')), 1);
    assert.equal(await r.set(key('claim'), 'one', 'XX'), null);
    assert.equal(await r.setnx(key('claim'), 'one'), 1);
    assert.equal(await r.setnx(key('claim'), 'two'), 0);
  },

  'SCAN: these thousand keys and no other': (r) => scans({
    mset: (pairs) => r.mset(pairs.flat()),
    scan: (match, count, type) => r.scanStream({ match, count, type }),
    keys: (pattern) => r.keys(pattern),
    del: (keys) => r.del(keys),
  }),

  'expiry: asked for, told, taken back, and kept': async (r) => {
    const k = key('dies');
    assert.equal(await r.ttl(k), -2);
    await r.set(k, 'v');
    assert.equal(await r.ttl(k), -1);
    assert.equal(await r.expire(k, 100), 1);
    within(await r.pttl(k), 90_000, 100_000, 'pttl');
    assert.equal(await r.persist(k), 1);
    assert.equal(await r.expireat(k, Math.floor(Date.now() / 1000) + 1000), 1);
    within(await r.ttl(k), 900, 1001, 'ttl');
    assert.equal(await r.getex(k, 'EX', 500), 'v');
    within(await r.ttl(k), 490, 500, 'ttl');
    assert.equal(await r.psetex(k, 50, 'x'), 'OK');
    await eventually(async () => await r.get(k) === null);
    assert.deepEqual([await r.exists(k), await r.ttl(k)], [0, -2]);
  },

  "errors are the library's own kind": async (r) => {
    await r.set(key('text'), 'text');
    await fails(ReplyError, 'ERR value is not an integer or out of range', r.incr(key('text')));
    await fails(ReplyError, "ERR wrong number of arguments for 'get' command", r.call('GET'));
    await fails(ReplyError, "ERR unknown command 'NOSUCH', with args beginning with: 'a'",
                r.call('NOSUCH', 'a'));
    await fails(ReplyError, 'ERR syntax error', r.call('SET', key('text'), 'a', 'FOO'));
    await fails(ReplyError, 'ERR no such key', r.rename(key('none'), key('text')));
    await fails(ReplyError, "ERR invalid expire time in 'setex' command",
                r.setex(key('text'), 0, 'a'));
    assert.equal(await r.get(key('text')), 'text');
  },

  'scripts: by their text, by their sum, in a pipeline': async (r) => {
    await r.set(key('s'), 5);
    assert.deepEqual(await r.eval('return {KEYS[1], ARGV[1], 3.9, false}', 1, 'k', 'a'),
                     ['k', 'a', 3, null]);
    assert.deepEqual(await r.evalBuffer('return ARGV[1]', 0, kEveryByte), kEveryByte);
    await fails(ReplyError, 'NOSCRIPT No matching script', r.evalsha('0'.repeat(40), 0));
    await fails(ReplyError, 'MINE own words', r.eval("return redis.error_reply('MINE own words')", 0));
    // The library sends EVALSHA, and EVAL where the script is not known.
    r.defineCommand('addTo', { numberOfKeys: 1,
                               lua: "return redis.call('incrby', KEYS[1], ARGV[1])" });
    assert.equal(await r.addTo(key('s'), 2), 7);
    assert.deepEqual(await r.pipeline().get(key('s')).addTo(key('s'), 3).exec(),
                     [[null, '7'], [null, 10]]);
    assert.deepEqual(await r.multi().addTo(key('s'), 1).get(key('s')).exec(),
                     [[null, 11], [null, '11']]);
    assert.equal(await r.script('FLUSH'), 'OK');
    assert.equal(await r.addTo(key('s'), 1), 12);
    const sha = await r.script('LOAD', 'return 1');
    assert.equal(sha, 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db');
    assert.deepEqual(await r.script('EXISTS', sha, '0'.repeat(40)), [1, 0]);
  },

  'a lock, given back by its owner only': async (r) => {
    r.defineCommand('release', {
      numberOfKeys: 1,
      lua: `if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1])
            else return 0 end`,
    });
    assert.equal(await r.set(key('lock'), 'one', 'PX', 30_000, 'NX'), 'OK');
    assert.equal(await r.set(key('lock'), 'two', 'PX', 30_000, 'NX'), null);
    assert.equal(await r.release(key('lock'), 'two'), 0);
    assert.equal(await r.release(key('lock'), 'one'), 1);
    assert.equal(await r.set(key('lock'), 'two', 'PX', 30_000, 'NX'), 'OK');
  },
};

const stepsOfPasswords = {
  'lets in who has the password, and nobody else': async (r) => {
    assert.equal(await r.set(key('in'), 'here'), 'OK');
    const named = connect({ username: 'default', db: 3 });
    assert.equal(await named.ping(), 'PONG');
    named.disconnect();
    for (const wrong of [{ password: 'wrong' }, { username: 'nobody' }, { password: undefined }]) {
      const stranger = connect({ ...wrong, retryStrategy: null });
      const told = new Promise((tell) => stranger.on('error', tell));
      await assert.rejects(stranger.get(key('in')));
      assert.match((await told).message, wrong.password || wrong.username ? /WRONGPASS/ : /NOAUTH/);
      stranger.disconnect();
    }
    assert.equal(await r.get(key('in')), 'here');
  },
};

const stepsOfReconnecting = {
  'goes on when the server was killed and came back, with all that was acknowledged': async (r) => {
    r.defineCommand('double', { numberOfKeys: 1, lua: "return 2 * redis.call('get', KEYS[1])" });
    await r.set(key('n'), 21);
    assert.equal(await r.double(key('n')), 42);
    // What is in flight when the connection ends is sent again by the library.
    await reconnects({
      info: () => r.info('server'),
      set: (k, value) => r.set(k, value),
      mget: (keys) => r.mget(keys),
    });
    assert.deepEqual(await r.multi().set(key('a'), 1).get(key('a')).exec(),
                     [[null, 'OK'], [null, '1']]);
    assert.equal(await r.double(key('n')), 42);
  },
};

async function main() {
  for (const protocol of major < 6 ? [2] : [2, 3]) {
    begin(`${title}, RESP${protocol}`);
    connect = (more) => new Redis({ port, protocol, password, ...more });
    const r = connect();
    r.on('error', () => {}); // the library tells it also where it tries again
    await run(reconnect ? stepsOfReconnecting : password ? stepsOfPasswords : steps, r);
    await r.quit();
  }
}

main();
