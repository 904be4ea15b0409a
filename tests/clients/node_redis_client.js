// SPDX-License-Identifier: MIT
// node-redis, as its makers publish it, against whatever speaks Redis' protocol on a port:
//     NODE_PATH=.../node_modules node node_redis_client.js PORT redis-6 [--reconnect | --password WORD]
'use strict';
const { assert, begin, eventually, fails, given, kEveryByte, kPatienceMs, key, range, reconnects, run,
        scans, within } = require('./steps.js');

const { port, library, title, reconnect, password } = given();
const { createClient, createClientPool, defineScript, ErrorReply, MultiErrorReply, RESP_TYPES,
        WatchError } = library;

let options; // of another client of the same server

async function connect(more) {
  const client = createClient({ ...options, ...more });
  client.on('error', () => {}); // the library tells it also where it tries again
  return client.connect();
}

const steps = {
  'connects, and says who it is': async (r) => {
    assert.equal(await r.ping(), 'PONG');
    const named = await connect({ name: 'node-client', database: 3 });
    assert.equal(await named.clientGetName(), 'node-client');
    const about = await named.clientInfo();
    assert.deepEqual([about.name, about.db], ['node-client', 3]);
    within(await named.clientId(), 1, Number.MAX_SAFE_INTEGER, 'its number');
    await named.clientSetName('node-renamed');
    assert.equal(await named.clientGetName(), 'node-renamed');
    await named.set(key('there'), '1');
    assert.equal(await r.exists(key('there')), 0, "another database's key");
    assert.equal(await named.del(key('there')), 1);
    await named.close();
    assert.match(await r.info('server'), /^redis_version:\d+\./m);
    assert.equal((await r.role()).role, 'master');
    assert.equal((await r.configGet('databases')).databases, '16');
    const hello = await r.hello();
    assert.deepEqual([hello.proto, hello.mode, hello.role], [options.RESP, 'standalone', 'master']);
    const byUrl = await createClient({ url: `redis://127.0.0.1:${port}/3` }).connect();
    assert.equal((await byUrl.clientInfo()).db, 3);
    byUrl.destroy();
  },

  'keeps every byte of keys and values': async (r) => {
    const odd = Buffer.concat([Buffer.from(key('odd')), kEveryByte]);
    const large = Buffer.concat(range(4096).map(() => kEveryByte));
    const bytes = r.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    for (const value of [Buffer.alloc(0), Buffer.from('\r\n'), kEveryByte, large]) {
      assert.equal(await r.set(odd, value), 'OK');
      assert.deepEqual(await bytes.get(odd), value);
      assert.equal(await r.strLen(odd), value.length);
    }
    assert.equal(await r.get(key('none')), null);
    await r.set(key('text'), 'grün 🎉');
    assert.equal(await r.get(key('text')), 'grün 🎉');
  },

  'counts, appends, and sets several at a time': async (r) => {
    assert.equal(await r.incr(key('n')), 1);
    assert.equal(await r.incrBy(key('n'), 10), 11);
    assert.equal(await r.incrByFloat(key('n'), 0.5), '11.5');
    assert.equal(await r.append(key('text'), 'abc'), Buffer.byteLength('grün 🎉abc'));
    assert.equal(await r.mSet({ [key('a')]: '1', [key('b')]: '2' }), 'OK');
    assert.equal(await r.mSetNX([[key('b'), '3'], [key('c'), '3']]), 0);
    assert.deepEqual(await r.mGet([key('a'), key('b'), key('c')]), ['1', '2', null]);
    assert.equal(await r.getDel(key('a')), '1');
    assert.equal(await r.type(key('b')), 'string');
    assert.equal(await r.unlink([key('a'), key('b')]), 1);
  },

  'a thousand commands in a pipeline, answered in order': async (r) => {
    const pipeline = r.multi();
    for (const i of range(1000)) pipeline.set(key(`p${i}`), String(i)).get(key(`p${i}`));
    assert.deepEqual(await pipeline.execAsPipeline(), range(1000).flatMap((i) => ['OK', String(i)]));
    // Without one: whatever is sent in one turn travels together.
    const [one, failed, two] = await Promise.allSettled(
      [r.get(key('p1')), r.incr(key('text')), r.get(key('p2'))]);
    assert.deepEqual([one.value, two.value], ['1', '2']);
    assert.match(failed.reason.message, /^ERR value is not an integer/);
    assert.deepEqual(await Promise.all(range(1000).map((i) => r.getDel(key(`p${i}`)))),
                     range(1000).map(String));
  },

  'transactions: whole, called off by a change': async (r) => {
    await r.set(key('n'), '1');
    assert.deepEqual(await r.multi().incr(key('n')).get(key('n')).expire(key('n'), 100).exec(),
                     [2, '2', 1]);
    const other = await connect();
    await r.watch(key('n'));
    await other.set(key('n'), '40');
    await fails(WatchError, 'One (or more) of the watched keys has been changed',
                r.multi().incr(key('n')).exec());
    assert.equal(await r.get(key('n')), '40');
    await r.watch(key('n'));
    await r.unwatch();
    await other.set(key('n'), '41');
    assert.deepEqual(await r.multi().incr(key('n')).exec(), [42]);
    const half = await r.multi().set(key('t'), 'text').incr(key('t')).exec().catch((e) => e);
    assert.ok(half instanceof MultiErrorReply, String(half));
    assert.equal(half.replies[0], 'OK');
    assert.match(half.replies[1].message, /^ERR value is not an integer/);
    await fails(ErrorReply, "ERR wrong number of arguments for 'get' command",
                r.multi().set(key('t'), 'never').addCommand(['GET']).exec());
    assert.deepEqual(await r.mGet([key('n'), key('t')]), ['42', 'text']);
    await other.close();
  },

  'SET NX: the first has it, for a time': async (r) => {
    const first = { condition: 'NX', expiration: { type: 'EX', value: 100 } };
    assert.equal(await r.set(key('claim'), 'one', first), 'OK');
    assert.equal(await r.set(key('claim'), 'two', first), null);
    assert.equal(await r.set(key('claim'), 'two', { NX: true, PX: 1000, GET: true }), 'one');
    within(await r.ttl(key('claim')), 90, 100, 'its time');
    assert.equal(await r.set(key('claim'), 'three', { KEEPTTL: true }), 'OK');
    within(await r.pTTL(key('claim')), 90_000, 100_000, 'its time kept');
    assert.equal(await r.del(key('claim')), 1);
    assert.equal(await r.set(key('claim'), 'one', { XX: true }), null);
    assert.equal(await r.setNX(key('claim'), 'one'), 1);
    assert.equal(await r.setNX(key('claim'), 'two'), 0);
  },

  'SCAN: these thousand keys and no other': (r) => scans({
    mset: (pairs) => r.mSet(pairs),
    scan: (MATCH, COUNT, TYPE) => r.scanIterator({ MATCH, COUNT, TYPE }),
    keys: (pattern) => r.keys(pattern),
    del: (keys) => r.del(keys),
  }),

  'expiry: asked for, told, taken back, and kept': async (r) => {
    const k = key('dies');
    assert.equal(await r.ttl(k), -2);
    await r.set(k, 'v');
    assert.equal(await r.ttl(k), -1);
    assert.equal(await r.expire(k, 100), 1);
    within(await r.pTTL(k), 90_000, 100_000, 'pttl');
    assert.equal(await r.persist(k), 1);
    assert.equal(await r.expireAt(k, new Date(Date.now() + 1_000_000)), 1);
    within(await r.ttl(k), 900, 1001, 'ttl');
    assert.equal(await r.getEx(k, { type: 'EX', value: 500 }), 'v');
    within(await r.ttl(k), 490, 500, 'ttl');
    assert.equal(await r.pSetEx(k, 50, 'x'), 'OK');
    await eventually(async () => await r.get(k) === null);
    assert.deepEqual([await r.exists(k), await r.ttl(k)], [0, -2]);
  },

  "errors are the library's own kind": async (r) => {
    await r.set(key('text'), 'text');
    await fails(ErrorReply, 'ERR value is not an integer or out of range', r.incr(key('text')));
    await fails(ErrorReply, "ERR wrong number of arguments for 'get' command",
                r.sendCommand(['GET']));
    await fails(ErrorReply, "ERR unknown command 'NOSUCH', with args beginning with: 'a'",
                r.sendCommand(['NOSUCH', 'a']));
    await fails(ErrorReply, 'ERR syntax error', r.sendCommand(['SET', key('text'), 'a', 'FOO']));
    await fails(ErrorReply, 'ERR no such key', r.rename(key('none'), key('text')));
    await fails(ErrorReply, "ERR invalid expire time in 'setex' command",
                r.setEx(key('text'), 0, 'a'));
    assert.equal(await r.get(key('text')), 'text');
  },

  'a pool of connections': async () => {
    const pool = createClientPool(options, { minimum: 2, maximum: 8 });
    pool.on('error', () => {});
    await pool.connect();
    await Promise.all(range(400).map(() => pool.incr(key('counter'))));
    assert.equal(await pool.get(key('counter')), '400');
    await pool.close();
  },

  'scripts: by their text, by their sum, in a pipeline': async (r) => {
    await r.set(key('s'), '5');
    assert.deepEqual(
      await r.eval('return {KEYS[1], ARGV[1], 3.9, false}', { keys: ['k'], arguments: ['a'] }),
      ['k', 'a', 3, null]);
    const bytes = r.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    assert.deepEqual(await bytes.eval('return ARGV[1]', { arguments: [kEveryByte] }), kEveryByte);
    await fails(ErrorReply, 'NOSCRIPT No matching script', r.evalSha('0'.repeat(40)));
    await fails(ErrorReply, 'MINE own words', r.eval("return redis.error_reply('MINE own words')"));
    // The library sends EVALSHA, and EVAL where the script is not known.
    const addTo = defineScript({
      NUMBER_OF_KEYS: 1,
      SCRIPT: "return redis.call('incrby', KEYS[1], ARGV[1])",
      parseCommand(parser, k, amount) {
        parser.pushKey(k);
        parser.push(String(amount));
      },
      transformReply: undefined,
    });
    const s = await connect({ scripts: { addTo } });
    assert.equal(await s.addTo(key('s'), 2), 7);
    assert.deepEqual(await s.multi().get(key('s')).addTo(key('s'), 3).exec(), ['7', 10]);
    await r.scriptFlush();
    assert.equal(await s.addTo(key('s'), 2), 12);
    await s.close();
    const sha = await r.scriptLoad('return 1');
    assert.equal(sha, 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db');
    assert.deepEqual(await r.scriptExists([sha, '0'.repeat(40)]), [1, 0]);
  },

  'a lock, given back by its owner only': async (r) => {
    const release = `if redis.call("get", KEYS[1]) == ARGV[1]
                     then return redis.call("del", KEYS[1]) else return 0 end`;
    const give = (owner) => r.eval(release, { keys: [key('lock')], arguments: [owner] });
    assert.equal(await r.set(key('lock'), 'one', { NX: true, PX: 30_000 }), 'OK');
    assert.equal(await r.set(key('lock'), 'two', { NX: true, PX: 30_000 }), null);
    assert.equal(await give('two'), 0);
    assert.equal(await give('one'), 1);
    assert.equal(await r.set(key('lock'), 'two', { NX: true, PX: 30_000 }), 'OK');
  },
};

const stepsOfPasswords = {
  'lets in who has the password, and nobody else': async (r) => {
    assert.equal(await r.set(key('in'), 'here'), 'OK');
    const named = await connect({ username: 'default', database: 3 });
    assert.equal(await named.ping(), 'PONG');
    named.destroy();
    const once = { socket: { port, reconnectStrategy: false } };
    await fails(ErrorReply, 'WRONGPASS', connect({ ...once, password: 'wrong' }));
    await fails(ErrorReply, 'WRONGPASS', connect({ ...once, username: 'nobody' }));
    await fails(ErrorReply, 'NOAUTH', connect({ ...once, password: undefined })
      .then((stranger) => stranger.get(key('in')).finally(() => stranger.destroy())));
    assert.equal(await r.get(key('in')), 'here');
  },
};

const stepsOfReconnecting = {
  'goes on when the server was killed and came back, with all that was acknowledged': async (r) => {
    // What is in flight when the connection ends is given up by the library, and not sent again.
    const untilAnswered = async (call) => {
      for (const until = Date.now() + kPatienceMs;;) {
        try {
          return await call();
        } catch (error) {
          if (error instanceof ErrorReply || Date.now() > until) throw error;
        }
      }
    };
    await reconnects({
      info: () => untilAnswered(() => r.info('server')),
      set: (k, value) => untilAnswered(() => r.set(k, value)),
      mget: (keys) => r.mGet(keys),
    });
    assert.deepEqual(await r.multi().set(key('a'), '1').get(key('a')).exec(), ['OK', '1']);
  },
};

async function main() {
  for (const RESP of [2, 3]) {
    begin(`${title}, RESP${RESP}`);
    options = { socket: { port }, password, RESP };
    const r = connect();
    await run(reconnect ? stepsOfReconnecting : password ? stepsOfPasswords : steps, r);
    await (await r).close();
  }
}

main();
