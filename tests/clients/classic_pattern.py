#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Idempotency as it is usually written on Redis, with nothing but redis-py: fifty processes ask for
the same forty payments, each is made once, and everybody gets its result."""

import hashlib
import json
import multiprocessing
import os
import random
import tempfile
import time
import uuid

# First, for it says so where there is no redis-py.
from steps import PATIENCE_S, arguments, begin, key, run, same, say, within

import redis

PROCESSES = 50
KEYS = 40
RESULT_S = 3600
LOCK_S = 60


# --- The pattern --------------------------------------------------------------------------------


def key_of_request(request):
    """The same request has the same key, however its fields are ordered."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return key("idem:" + hashlib.sha256(text.encode()).hexdigest())


def key_of_client():
    """Made by the client, once for all of its tries."""
    return key(f"idem:{int(time.time())}:{uuid.uuid4()}")


def once(r, idem, execute):
    """The result of `execute` for this key: our own, or that of whoever was first."""
    lock, token = "lock:" + idem, uuid.uuid4().hex.encode()
    while not r.exists(idem):
        # Ours too when the answer to the claim was lost, and it was made again.
        if r.set(lock, token, nx=True, ex=LOCK_S) or r.get(lock) == token:
            try:
                if not r.exists(idem):  # or somebody was done in between
                    result = json.dumps(execute(idem))
                    until_done(
                        lambda: r.pipeline().set(idem, result).expire(idem, RESULT_S).execute())
            finally:
                until_done(lambda: release(r, lock, token))
        else:
            time.sleep(0.005)
    return json.loads(r.get(idem))


def release(r, lock, token):
    """Deletes the lock, if it is still ours."""
    with r.pipeline() as pipeline:
        pipeline.watch(lock)
        if pipeline.get(lock) == token:
            pipeline.multi()
            pipeline.delete(lock)
            pipeline.execute()


class Patient(redis.Redis):
    """Asks again when a connection breaks; what is asked here is harmless when it is done twice."""

    def __init__(self, given):
        super().__init__(port=given.port, password=given.password, socket_timeout=PATIENCE_S)

    def execute_command(self, *words, **options):
        return until_done(lambda: super(Patient, self).execute_command(*words, **options))


def until_done(call):
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except (redis.WatchError, redis.ConnectionError):
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def sweep(r, pattern):
    """Gives those results a time to live that were left without one; how many there are at all."""
    found = 0
    for idem in r.scan_iter(match=pattern, count=100):
        found += 1
        if r.ttl(idem) == -1:
            r.expire(idem, RESULT_S)
    return found


# --- Its proof ----------------------------------------------------------------------------------


class Payments:
    """What must not happen twice. It is counted beside the server, in a file a key."""

    def __init__(self, folder, crashed=None):
        self.folder = folder
        self.crashed = crashed  # an event that a payment waits for, when a crash is to come

    def pay(self, idem):
        with open(self.path(idem), "ab", buffering=0) as made:
            made.write(b"x")
        if self.crashed and len(os.listdir(self.folder)) > KEYS // 4:
            self.crashed.wait(PATIENCE_S)
        time.sleep(0.005)
        return {"payment": uuid.uuid4().hex, "key": idem}

    def path(self, idem):
        return os.path.join(self.folder, hashlib.sha256(idem.encode()).hexdigest())

    def made(self, idem):
        try:
            return os.path.getsize(self.path(idem))
        except FileNotFoundError:
            return 0


def ask_for_all(given, start, payments, idems, answers):
    """One of the processes: all payments, in an order of its own."""
    r = Patient(given)
    mine = random.sample(idems, len(idems))
    start.wait(PATIENCE_S)
    answers.put({idem: once(r, idem, payments.pay) for idem in mine})


def pays_once(r, given, crash=False):
    """fifty processes, forty payments, each made once and told to all"""
    fork = multiprocessing.get_context("fork")
    idems = [key_of_request({"to": i, "amount": 100}) for i in range(KEYS // 2)]
    same(key_of_request({"amount": 100, "to": 0}), idems[0])
    idems += [key_of_client() for _ in range(KEYS // 2)]
    run_id = r.info("server")["run_id"]
    with tempfile.TemporaryDirectory() as folder:
        payments = Payments(folder, fork.Event() if crash else None)
        start, answers = fork.Barrier(PROCESSES), fork.Queue()
        processes = [fork.Process(target=ask_for_all, args=(given, start, payments, idems, answers),
                                  daemon=True) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        if crash:
            see_a_crash(r, run_id, lambda: len(os.listdir(folder)) > KEYS // 4)
            payments.crashed.set()
        told = [answers.get(timeout=2 * PATIENCE_S) for _ in processes]
        for process in processes:
            process.join(PATIENCE_S)
        same([p.exitcode for p in processes], [0] * PROCESSES, "how the processes ended")
        for idem in idems:
            same(payments.made(idem), 1, "the number of payments of " + idem)
            same({answer[idem]["payment"] for answer in told}, {told[0][idem]["payment"]})
            same(told[0][idem]["key"], idem)
    same(r.exists(*["lock:" + idem for idem in idems]), 0, "the number of locks left")


def see_a_crash(r, run_id, is_time):
    until = time.monotonic() + PATIENCE_S
    while not is_time() and time.monotonic() < until:
        time.sleep(0.005)
    say("ready")
    while r.info("server")["run_id"] == run_id:
        if time.monotonic() > until:
            raise AssertionError("the server was not started anew")
        time.sleep(0.005)


def pays_once_over_a_crash(r, given):
    """fifty processes, forty payments, each made once although the server was killed meanwhile"""
    pays_once(r, given, crash=True)


def sweeps(r, _given):
    """results are found again, and those that would stay for good are given a time"""
    forgotten = key_of_client()
    before = sweep(r, key("idem:*"))
    r.set(forgotten, "{}")
    same(r.ttl(forgotten), -1)
    same(sweep(r, key("idem:*")), before + 1)
    for idem in r.scan_iter(match=key("idem:*")):
        within(r.ttl(idem), 1, RESULT_S, "the time of a result")
    within(r.ttl(forgotten), RESULT_S - PATIENCE_S, RESULT_S, "the time of the forgotten one")


def main():
    given = arguments(__doc__)
    begin(f"redis-py {redis.__version__}")
    steps = ([pays_once_over_a_crash] if given.reconnect else [] if given.password else [pays_once])
    run([*steps, sweeps], Patient(given), given)


if __name__ == "__main__":
    main()
