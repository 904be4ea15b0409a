// SPDX-License-Identifier: MIT
// TwoOnOne: two stores on one database, each with a ledger: two processes, as far as the database
// can tell.
//
// Threads: as the ledgers.
#pragma once

#include <chrono>
#include <memory>

#include "engine/ledger.h"
#include "tests/postgres_cluster.h"

namespace onced {

struct TwoOnOne {
  explicit TwoOnOne(Clock* clock = nullptr, bool listens = true,
                    std::chrono::milliseconds landing = std::chrono::milliseconds(1'000))
      : a_store(folder.Open([&](PostgresStoreOptions& o) { Adjust(&o, clock, listens, landing); })),
        b_store(folder.Open([&](PostgresStoreOptions& o) { Adjust(&o, clock, listens, landing); })),
        a(a_store.get()),
        b(b_store.get()) {}
  static void Adjust(PostgresStoreOptions* o, Clock* clock, bool listens,
                     std::chrono::milliseconds landing) {
    o->clock = clock;
    o->listens = listens;
    o->landing = landing;
  }

  PostgresFolder folder;
  std::unique_ptr<PostgresStore> a_store, b_store;
  Ledger a, b;
};

inline uint64_t FenceOf(const Reply& reply) { return reply.record->fence; }

}  // namespace onced
