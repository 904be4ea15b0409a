// SPDX-License-Identifier: MIT
// IdleTransfers: handles between two calls, by their origin, for what is set once is dear to set.
//
// Private to the gateway.
// Threads: one, that of the calls.
// Invariants: no more than kOfAnOriginMax of an origin are kept, and none of one that nobody else
// has any more once another is asked for.
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

#include "server/gateway/transfer.h"

namespace onced {

class IdleTransfers {
 public:
  static constexpr size_t kOfAnOriginMax = 256;  // about 6 KB each

  explicit IdleTransfers(SocketWatch* sockets) : sockets_(sockets) {}

  // One of them, or a new one.
  std::unique_ptr<Transfer> Take(const std::shared_ptr<const Origin>& origin);
  // REQUIRES: its call has ended by itself.
  void Keep(std::unique_ptr<Transfer> transfer);

 private:
  struct Idle {
    std::shared_ptr<const Origin> origin;
    std::vector<std::unique_ptr<Transfer>> transfers;
  };
  SocketWatch* const sockets_;
  std::unordered_map<const Origin*, Idle> idle_;
};

}  // namespace onced
