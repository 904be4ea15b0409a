// SPDX-License-Identifier: MIT
// Sends a mail once: consumer FOLDER. The first run sends it, every other is told what the first
// one was.
#include <cstdio>

#include "engine/ledger.h"
#include "engine/rocks_store.h"

int main(int argc, char** argv) {
  using namespace onced;
  if (argc != 2) return 2;
  const Result<std::unique_ptr<RocksStore>> store = RocksStore::Open({.path = argv[1]});
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.status().message().c_str());
    return 1;
  }
  Ledger ledger(store->get());
  const Result<Key> key = Key::Make("default", "mails", "welcome-4711");
  if (!key.ok()) return 1;
  const Result<Reply> claim = ledger.Claim(
      *key, {.fingerprint = "v1", .lease_ms = 30'000, .retention_ms = 86'400'000});
  if (!claim.ok()) return 1;
  if (claim->outcome == Outcome::kClaimed) {
    const CompleteCommand sent{.fence = claim->record->fence, .result = "\"sent as mail 1\""};
    if (!ledger.Complete(*key, sent).ok()) return 1;
    std::printf("sent\n");
  } else if (claim->outcome == Outcome::kReplay) {
    std::printf("replayed: %s\n", claim->record->result->c_str());
  }
  return 0;
}
