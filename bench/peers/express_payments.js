// SPDX-License-Identifier: MIT
// Payments on Express with the middleware `express-idempotency` and its adapter for Redis, as their
// documents say. The middleware looks a key up and stores it in two steps, so the service counts
// what it has done for every key, for the bench to read at /count: executions, and keys with more
// than one.
//
//     NODE_PATH=.../node_modules REDIS_PORT=6379 PORT=3000 node express_payments.js
'use strict';
const { randomUUID } = require('crypto');
const express = require('express');
const { idempotency, getSharedIdempotencyService } = require('express-idempotency');
const RedisAdapter = require('express-idempotency-redis-adapter').default;

const adapter = new RedisAdapter({
  connectionConfig: { url: `redis://127.0.0.1:${process.env.REDIS_PORT}` },
});
const executions = new Map();

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.use(express.json());
app.get('/count', (request, response) => {
  let sum = 0;
  let twice = 0;
  for (const times of executions.values()) {
    sum += times;
    if (times > 1) twice += 1;
  }
  response.json({ executions: sum, twice });
});
app.post('/payments', idempotency({ dataAdapter: adapter }), (request, response) => {
  if (getSharedIdempotencyService().isHit(request)) return;
  const key = request.get('Idempotency-Key');
  executions.set(key, (executions.get(key) || 0) + 1);
  response.status(201).json({ id: `pay_${randomUUID()}`, ...request.body });
});
// What the middleware passes on: a payment in progress (409), or another request with this key.
app.use((error, request, response, next) => response.json({ detail: error.message }));

adapter.connect().then(() => {
  const server = app.listen(process.env.PORT, '127.0.0.1', () => console.log('listening'));
  server.keepAliveTimeout = 600_000;
});
