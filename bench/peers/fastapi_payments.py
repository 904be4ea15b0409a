# SPDX-License-Identifier: MIT
"""The pattern that onced replaces, as it is commonly written: FastAPI and Redis.

A payment's key comes with the request or is derived from its body; Redis is asked whether it has
been processed; a lock is taken with SET NX EX; the payment is made; the result is stored with a
time to live; the lock is deleted. It is written as well as the pattern allows: asynchronous, one
connection pool, as few calls as there are steps. Its races are the pattern's own: who has asked
before the result was stored, and locks after the lock was deleted, pays again. So the service
counts what it has done for every key, for the bench to read at /count: executions, and keys with
more than one.

    REDIS_PORT=6379 python3 -m uvicorn fastapi_payments:app
"""
import collections
import hashlib
import json
import os
import uuid

import redis.asyncio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

RETENTION_S = 86_400
LOCK_S = 30

app = FastAPI()
store = redis.asyncio.Redis(port=int(os.environ["REDIS_PORT"]))
executions = collections.Counter()


def key_of(request: Request, payment: dict) -> str:
    given = request.headers.get("Idempotency-Key")
    return given or hashlib.sha256(json.dumps(payment, sort_keys=True).encode()).hexdigest()


def pay(key: str, payment: dict) -> bytes:
    executions[key] += 1
    return json.dumps({"id": f"pay_{uuid.uuid4().hex}", **payment}).encode()


def replay(result: bytes) -> Response:
    return Response(
        result, status_code=201, media_type="application/json", headers={"Idempotent-Replayed": "true"}
    )


@app.post("/payments")
async def create_payment(request: Request) -> Response:
    payment = await request.json()
    key = key_of(request, payment)
    processed = await store.get(f"idempotency:{key}")
    if processed is not None:
        return replay(processed)
    if not await store.set(f"lock:{key}", "1", nx=True, ex=LOCK_S):
        return JSONResponse({"detail": "in progress"}, status_code=409)
    try:
        result = pay(key, payment)
        await store.set(f"idempotency:{key}", result, ex=RETENTION_S)
    finally:
        await store.delete(f"lock:{key}")
    return Response(result, status_code=201, media_type="application/json")


@app.get("/count")
async def count() -> dict:
    return {
        "executions": sum(executions.values()),
        "twice": sum(1 for times in executions.values() if times > 1),
    }
