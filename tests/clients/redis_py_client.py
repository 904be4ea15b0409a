#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""redis-py, as Debian has it or newer, against whatever speaks Redis' protocol on a port."""

import threading
import time

# First, for it says so where there is no redis-py.
from steps import PATIENCE_S, arguments, begin, key, raises, run, same, say, within

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import (AuthenticationError, LockError, LockNotOwnedError, NoScriptError,
                              ResponseError, WatchError)
from redis.lock import Lock
from redis.retry import Retry

EVERY_BYTE = bytes(range(256))


def connects(r):
    """connects, and says who it is"""
    same(r.ping(), True)
    named = again(r, client_name="py-client", db=3, decode_responses=True)
    same(named.client_getname(), "py-client")
    same([c["db"] for c in named.client_list() if c["name"] == "py-client"], ["3"], "its database")
    same(named.client_setname("py-renamed"), True)
    same(named.client_getname(), "py-renamed")
    within(named.client_id(), 1, 2**53, "its number")
    same(r.echo(EVERY_BYTE), EVERY_BYTE)
    same(r.info("server")["redis_mode"], "standalone")
    same(r.info()["role"], "master")
    same(named.config_get("databases"), {"databases": "16"})
    within(r.time()[0], time.time() - PATIENCE_S, time.time() + PATIENCE_S, "the time there")
    named.set(key("there"), 1)
    same(r.exists(key("there")), 0, "another database's key")
    same(named.delete(key("there")), 1)
    named.close()


def keeps_bytes(r):
    """keeps every byte of keys and values"""
    odd = key("odd").encode() + EVERY_BYTE
    for value in (b"", b"\r\n", EVERY_BYTE, EVERY_BYTE * 4096):
        same(r.set(odd, value), True)
        same(r.get(odd), value)
        same(r.strlen(odd), len(value))
    same(r.get(key("none")), None)
    text = again(r, decode_responses=True)
    text.set(key("text"), "grün 🎉")
    same(text.get(key("text")), "grün 🎉")
    text.close()


def knows_strings(r):
    """counts, appends, and sets several at a time"""
    n = key("n")
    same(r.incr(n), 1)
    same(r.incrby(n, 10), 11)
    same(r.decr(n), 10)
    same(r.incrbyfloat(n, 0.5), 10.5)
    same(r.append(key("text"), "abc"), len("grün 🎉abc".encode()))
    same(r.mset({key("a"): 1, key("b"): b"2"}), True)
    same(r.msetnx({key("b"): 3, key("c"): 3}), False)
    same(r.mget([key("a"), key("b"), key("c")]), [b"1", b"2", None])
    same(r.getset(key("a"), "x"), b"1")
    same(r.getdel(key("a")), b"x")
    same(r.setrange(key("b"), 3, "z"), 4)
    same(r.getrange(key("b"), 0, -1), b"2\0\0z")
    same(r.rename(key("b"), key("d")), True)
    same(r.type(key("d")), b"string")
    same(r.exists(key("b"), key("d"), key("d")), 2)
    same(r.unlink(key("d"), key("b")), 1)


def pipelines(r):
    """a thousand commands in a pipeline, answered in order"""
    pipeline = r.pipeline(transaction=False)
    for i in range(1000):
        pipeline.set(key(f"p{i}"), i)
        pipeline.get(key(f"p{i}"))
    same(pipeline.execute(), [x for i in range(1000) for x in (True, str(i).encode())])
    pipeline.get(key("p1")).incr(key("text")).get(key("p2"))
    one, failed, two = pipeline.execute(raise_on_error=False)
    same((one, type(failed), two), (b"1", ResponseError, b"2"))
    pipeline.delete(*[key(f"p{i}") for i in range(1000)])
    same(pipeline.execute(), [1000])


def transacts(r):
    """transactions: whole, called off by a change, tried again, discarded"""
    n = key("n")
    r.set(n, 1)
    with r.pipeline() as pipeline:
        same(pipeline.incr(n).get(n).expire(n, 100).execute(), [2, b"2", True])
        pipeline.watch(n)
        same(pipeline.get(n), b"2")
        pipeline.multi()
        pipeline.incr(n)
        r.set(n, 40)
        raises(WatchError, "Watched variable changed", pipeline.execute)
        same(r.get(n), b"40")
        pipeline.watch(n)
        pipeline.unwatch()
        r.set(n, 41)
        same(pipeline.incr(n).execute(), [42])
        pipeline.set(key("t"), "text").incr(key("t")).get(key("t"))
        done, failed, text = pipeline.execute(raise_on_error=False)
        same((done, type(failed), text), (True, ResponseError, b"text"))
        pipeline.execute_command("GET").set(key("t"), "never")
        raises(ResponseError, "Command # 1 (GET) of pipeline caused error: wrong number of arguments",
               pipeline.execute)
        same(r.get(key("t")), b"text", "the value after a transaction that was not begun")

    changes = iter([r.set, lambda *_: None])

    def add(pipeline):
        before = int(pipeline.get(n))
        next(changes)(n, 100)  # behind the back of the first try
        pipeline.multi()
        pipeline.set(n, before + 1)

    same(r.transaction(add, n), [True])
    same(r.get(n), b"101")


def claims(r):
    """SET NX: the first has it, for a time"""
    claim = key("claim")
    same(r.set(claim, "one", nx=True, ex=100), True)
    same(r.set(claim, "two", nx=True, ex=100), None)
    same(r.set(claim, "two", nx=True, px=1000, get=True), b"one")
    within(r.ttl(claim), 90, 100, "its time")
    same(r.set(claim, "three", xx=True, keepttl=True), True)
    within(r.ttl(claim), 90, 100, "its time kept")
    same(r.delete(claim), 1)
    same(r.set(claim, "one", xx=True), None)
    same(r.setnx(claim, "one"), True)
    same(r.setnx(claim, "two"), False)


def scans(r):
    """SCAN: these thousand keys and no other"""
    wanted = {key(f"scan:{i}").encode() for i in range(1000)}
    same(r.mset(dict.fromkeys(wanted, "")), True)
    same(r.set(key("scans"), ""), True)
    pattern = key("scan:*")
    for count in (None, 7, 5000):
        same(set(r.scan_iter(match=pattern, count=count)), wanted, f"those found by {count}")
    same(set(r.scan_iter(match=pattern, count=100, _type="string")), wanted)
    same(list(r.scan_iter(match=pattern, count=100, _type="list")), [])
    same(set(r.keys(pattern)), wanted)
    same(len(list(r.scan_iter(match=key("scan:[12]?"), count=100))), 20)
    same(r.delete(*wanted), 1000)
    same(list(r.scan_iter(match=pattern)), [])


def expires(r):
    """expiry: asked for, told, taken back, and kept"""
    k = key("dies")
    same(r.ttl(k), -2)
    same(r.set(k, "v"), True)
    same(r.ttl(k), -1)
    same(r.expire(k, 100), True)
    within(r.ttl(k), 90, 100, "ttl")
    within(r.pttl(k), 90_000, 100_000, "pttl")
    same(r.persist(k), True)
    same(r.persist(k), False)
    same(r.expireat(k, int(time.time()) + 1000), True)
    within(r.ttl(k), 900, 1001, "ttl")
    same(r.getex(k, ex=500), b"v")
    within(r.ttl(k), 490, 500, "ttl")
    same(r.setex(k, 200, "w"), True)
    within(r.ttl(k), 190, 200, "ttl")
    same(r.expire(key("none"), 100), False)
    same(r.psetex(k, 50, "x"), True)
    until = time.monotonic() + PATIENCE_S
    while r.get(k) is not None and time.monotonic() < until:
        time.sleep(0.01)
    same((r.get(k), r.exists(k), r.ttl(k)), (None, 0, -2))


def errs(r):
    """errors are the library's own kinds"""
    r.set(key("text"), "text")
    raises(ResponseError, "value is not an integer or out of range", lambda: r.incr(key("text")))
    raises(ResponseError, "wrong number of arguments for 'get' command",
           lambda: r.execute_command("GET"))
    raises(ResponseError, "unknown command 'NOSUCH', with args beginning with: 'a'",
           lambda: r.execute_command("NOSUCH", "a"))
    raises(ResponseError, "syntax error", lambda: r.execute_command("SET", key("text"), "a", "FOO"))
    raises(ResponseError, "no such key", lambda: r.rename(key("none"), key("text")))
    raises(ResponseError, "invalid expire time in 'setex' command",
           lambda: r.setex(key("text"), 0, "a"))
    raises(ResponseError, "DB index is out of range", lambda: again(r, db=16).ping())
    same(r.get(key("text")), b"text", "the value after all of these errors")


def serves_threads(r):
    """a client for eight threads"""
    counter = key("counter")

    def count():
        for _ in range(50):
            r.incr(counter)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    same(r.get(counter), b"400")


def runs_scripts(r):
    """scripts: by their text, by their sum, in a pipeline"""
    r.set(key("s"), "5")
    same(r.eval("return {KEYS[1], ARGV[1], 3.9, false}", 1, "k", EVERY_BYTE),
         [b"k", EVERY_BYTE, 3, None])
    raises(NoScriptError, "No matching script", lambda: r.evalsha("0" * 40, 0))
    raises(ResponseError, "MINE own words",
           lambda: r.eval("return redis.error_reply('MINE own words')", 0))
    add = r.register_script("return redis.call('incrby', KEYS[1], ARGV[1])")
    same(add(keys=[key("s")], args=[2]), 7)
    pipeline = r.pipeline()
    pipeline.get(key("s"))
    add(keys=[key("s")], args=[3], client=pipeline)
    same(pipeline.execute(), [b"7", 10])
    same(r.script_exists(add.sha, "0" * 40), [True, False])
    same(r.script_flush(), True)
    same(r.script_exists(add.sha), [False])
    same(add(keys=[key("s")], args=[1]), 11)
    same(r.script_load("return 1"), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db")


def locks(r):
    """redis.lock.Lock is held by one"""
    one = Lock(r, key("lock"), timeout=100)
    two = Lock(r, key("lock"), timeout=100, blocking_timeout=0.2)
    same((one.acquire(), one.owned(), one.locked()), (True, True, True))
    within(r.pttl(key("lock")), 90_000, 100_000, "its time")
    same((two.acquire(blocking=False), two.acquire(), two.owned()), (False, False, False))
    raises(LockError, "Cannot release a", two.release)
    same(r.delete(key("lock")), 1)
    same((one.owned(), one.locked(), two.acquire(blocking=False)), (False, False, True))
    same(r.delete(key("lock")), 1)


def locks_are_renewed(r):
    """redis.lock.Lock: extended, taken again, given back by its owner only"""
    one = Lock(r, key("lock"), timeout=10)
    two = Lock(r, key("lock"), timeout=10)
    same(one.acquire(), True)
    same(two.acquire(blocking=False), False)
    same(one.extend(20), True)
    within(r.pttl(key("lock")), 25_000, 30_000, "its time when it was extended")
    same(one.extend(40, replace_ttl=True), True)
    within(r.pttl(key("lock")), 35_000, 40_000, "its time when it was replaced")
    same(one.reacquire(), True)
    within(r.pttl(key("lock")), 5_000, 10_000, "its time when it was taken again")
    two.local.token = b"not the owner's"
    raises(LockNotOwnedError, "Cannot extend", lambda: two.extend(10))
    raises(LockNotOwnedError, "Cannot reacquire", two.reacquire)
    raises(LockNotOwnedError, "Cannot release", two.release)
    same(r.exists(key("lock")), 1)
    one.release()
    same(r.exists(key("lock")), 0)
    with Lock(r, key("lock"), timeout=10):
        same(two.acquire(blocking=False), False)
    same(two.acquire(blocking=False), True)
    two.release()


def lets_in(r):
    """lets in who has the password, and nobody else"""
    same(r.set(key("in"), "here"), True)
    same(again(r, username="default", db=3).ping(), True)
    wrong = (ResponseError, AuthenticationError)  # the older kind, and the newer
    raises(wrong, "", again(r, password="wrong").ping)
    raises(wrong, "", again(r, username="nobody").ping)
    raises(AuthenticationError, "", again(r, password=None).ping)
    same(r.get(key("in")), b"here")


def reconnects(r):
    """goes on when the server was killed and came back, with all that was acknowledged"""
    before = r.info("server")["run_id"]
    lock = Lock(r, key("lock"), timeout=100)
    same((lock.acquire(), lock.reacquire()), (True, True))
    acknowledged = []
    after = 0
    until = time.monotonic() + PATIENCE_S
    while after < 50 and time.monotonic() < until:
        i = len(acknowledged)
        same(r.set(key(f"seq:{i}"), i), True)  # whose answer is lost may be sent again
        acknowledged.append(key(f"seq:{i}"))
        if i == 100:
            say("ready")
        after += 1 if after or (i % 20 == 0 and r.info("server")["run_id"] != before) else 0
    if after < 50:
        raise AssertionError("the server was not started anew")
    same(r.mget(acknowledged), [str(i).encode() for i in range(len(acknowledged))])
    with r.pipeline() as pipeline:
        same(pipeline.set(key("a"), 1).get(key("a")).execute(), [True, b"1"])
    same((lock.owned(), lock.reacquire(), Lock(r, key("lock")).acquire(blocking=False)),
         (True, True, False))
    lock.release()
    same(lock.locked(), False)


def again(r, **more):
    """Another client of the same server."""
    return redis.Redis(connection_pool=redis.ConnectionPool(
        **{**r.connection_pool.connection_kwargs, **more}))


def main():
    given = arguments(__doc__)
    steps = [reconnects] if given.reconnect else [lets_in] if given.password else [
        connects, keeps_bytes, knows_strings, pipelines, transacts, claims, scans, expires, errs,
        serves_threads, runs_scripts, locks, locks_are_renewed]
    major = int(redis.__version__.split(".")[0])
    for protocol in [2] if major < 5 else [2, 3]:
        begin(f"redis-py {redis.__version__}, RESP{protocol}")
        more = {} if major < 5 else {"protocol": protocol}
        if given.reconnect:  # by the library itself, for as long as a server may be gone
            gone = (redis.ConnectionError, redis.TimeoutError, OSError)
            more["retry"] = Retry(ConstantBackoff(0.05), PATIENCE_S * 20, gone)
            more["retry_on_error"] = list(gone)
        r = redis.Redis(port=given.port, password=given.password, socket_timeout=PATIENCE_S, **more)
        run(steps, r)
        r.close()


if __name__ == "__main__":
    main()
