// SPDX-License-Identifier: MIT
// DoorInProcess: the whole HTTP door in this process, from its listener down to a store in a folder
// of its own, under a clock that only the test moves.
//
// One I/O thread: what arrived earlier, on whatever connection, has been read before what arrived
// later is answered. A test that wants bytes to be seen apart asks something on another connection
// in between.
//
// Threads: the test's own; the listener brings its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/http/api.h"
#include "server/wire/listener.h"
#include "tests/fixtures.h"

namespace onced {

struct DoorInProcess {
  explicit DoorInProcess(Report report = [](LogEvent, const std::string&) {})
      : ledger(here.store.get(), {.wait_at_gate = false}),
        api(&ledger,
            {.checks = [this] { return ReadyChecks(here.store->Readiness(), false); },
             .now_ms = [this] { return here.clock.NowMs(); },
             .draining = [] { return false; },
             .observe = [this] { return Observed{.storage = {.files = here.store->Figures()}}; },
             .report = std::move(report)}) {
    wire::ListenerOptions options;
    options.io_threads = 1;
    options.handler = [this](httplib::Response& response, wire::Exchange& exchange) {
      api.Handle(response, exchange);
    };
    options.blocks = Api::Blocks;
    options.when_durable = [this](uint64_t sequence, std::function<void()> pass) {
      ledger.WhenDurable(sequence, std::move(pass));
    };
    listener = Value(wire::Listener::Start(std::move(options)));
  }

  LedgerInAFolder here;
  Ledger ledger;
  Api api;
  std::unique_ptr<wire::Listener> listener;
};

}  // namespace onced
