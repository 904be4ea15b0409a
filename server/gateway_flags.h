// SPDX-License-Identifier: MIT
// GatewayFlags: what the command line says of the gateway, and how it goes together with the
// configuration file, which says the rest.
//
// Threads: use from one, while the command line is parsed.
// Invariants: what is wrong is thrown as CLI11's ValidationError, which names the flag.
#pragma once

#include <optional>
#include <string>

#include "server/config/address.h"
#include "server/options.h"

namespace CLI {
class App;
}

namespace onced {

class GatewayFlags {
 public:
  // This must outlive the parsing.
  void AddTo(CLI::App* app);
  // REQUIRES: the command line was parsed. Sets options->gateway: the file first, over it the
  // flags.
  void Settle(ServeOptions* options) const;
  // REQUIRES: Settle. Whether it is whole, and safe where strangers can reach it.
  void Check(const ServeOptions& options) const;

 private:
  void CheckWhole(const GatewayOptions& gateway) const;

  std::string config_;
  std::optional<Address> listen_;
  GatewayOptions principal_;  // only who asks is read of it
  std::string upstream_;
};

}  // namespace onced
