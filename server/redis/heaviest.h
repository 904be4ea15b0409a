// SPDX-License-Identifier: MIT
// Heaviest: which connections are closed when all of them together keep too much in memory.
//
// Private to the Redis door: includes Asio.
// Threads: the door's one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "server/redis/redis_connection.h"

namespace onced::redis {

// Those that keep the most, of the tenant whose connections keep the most together, until they make
// `excess` bytes: so nobody who sends much in many small pieces has others closed. Nothing that
// they were promised is lost: what ran has run, and who is cut off does not know how it ended.
std::vector<std::shared_ptr<RedisConnection>> HeaviestOf(
    const std::unordered_map<uint64_t, std::shared_ptr<RedisConnection>>& connections,
    size_t excess);

}  // namespace onced::redis
