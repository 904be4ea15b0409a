// SPDX-License-Identifier: MIT
// Shadow: a request with a key on a route that only watches: passed on whatever is known of its
// key, and counted as what the gateway would have done about it.
//
// Threads: see Asking.
// Invariants: nothing of what client and upstream see is changed; its records have scopes of their
// own, so that a route which stops watching begins with none.
#pragma once

#include <optional>

#include "server/gateway/keyed_ask.h"
#include "server/gateway/pass.h"

namespace onced {

class Shadow : public Asking {
 public:
  Shadow(GatewayServices* services, const Keyed& keyed);
  ~Shadow() override;

  std::optional<Telling> Ask(wire::Exchange& exchange) override;

 private:
  void Claim();

  GatewayServices* const services_;
  const std::shared_ptr<const Route> route_;
  const std::string fingerprint_;
  const std::optional<Key> key_;
  bool claimed_yet_ = false;
  std::optional<uint64_t> fence_;  // of a claim that has not ended
  Pass pass_;
};

}  // namespace onced
