// SPDX-License-Identifier: MIT
#include "server/gateway/idle_transfers.h"

#include <utility>

namespace onced {

std::unique_ptr<Transfer> IdleTransfers::Take(const std::shared_ptr<const Origin>& origin) {
  auto found = idle_.find(origin.get());
  if (found == idle_.end()) {
    // A new one: the configuration may have been read anew, and nobody uses the old ones again.
    std::erase_if(idle_, [](const auto& idle) {
      return idle.second.origin.use_count() == static_cast<long>(idle.second.transfers.size()) + 1;
    });
    found = idle_.emplace(origin.get(), Idle{.origin = origin, .transfers = {}}).first;
  }
  std::vector<std::unique_ptr<Transfer>>& idle = found->second.transfers;
  if (idle.empty()) return std::make_unique<Transfer>(origin, sockets_);
  std::unique_ptr<Transfer> transfer = std::move(idle.back());
  idle.pop_back();
  return transfer;
}

void IdleTransfers::Keep(std::unique_ptr<Transfer> transfer) {
  const auto found = idle_.find(transfer->origin().get());
  if (found == idle_.end() || found->second.transfers.size() >= kOfAnOriginMax) return;
  found->second.transfers.push_back(std::move(transfer));
}

}  // namespace onced
