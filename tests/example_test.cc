// SPDX-License-Identifier: MIT
// The README's example of onced as a library: a whole program in some 30 lines. It is built and run
// by the tests, so it cannot rot.
#include <array>
#include <cstdio>
#include <filesystem>

#include "engine/ledger.h"
#include "engine/rocks_store.h"

namespace onced {

Status PayOnce(const std::string& folder) {
  Result<std::unique_ptr<RocksStore>> store = RocksStore::Open({.path = folder});
  if (!store.ok()) return store.status();
  Ledger ledger(store->get());
  const Result<Key> order = Key::Make("default", "orders", "order-4711");
  const Result<Key> balance = Key::Make("default", "balances", "alice");
  if (!order.ok() || !balance.ok()) return Status::InvalidArgument("keys");

  // However often this runs, and from however many threads: alice gets her ten once.
  const std::array effects = {*balance};
  const Result<Reply> paid = ledger.Execute(
      *order, {.fingerprint = "v1"}, effects, [&](Batch& batch) -> Result<std::string> {
        const Result<std::optional<std::string>> before = batch.Get(*balance);
        if (!before.ok()) return before.status();
        const int after = std::stoi(before->value_or("0")) + 10;
        batch.Put(*balance, std::to_string(after));
        return "balance " + std::to_string(after);
      });
  if (!paid.ok()) return paid.status();
  std::printf("%s: %s\n", paid->outcome == Outcome::kReplay ? "replayed" : "paid",
              paid->record->result->c_str());
  return Status::Ok();
}

}  // namespace onced

int main() {
  const std::string folder = std::filesystem::temp_directory_path() / "onced-example";
  std::filesystem::remove_all(folder);
  const bool paid =
      onced::PayOnce(folder).ok() && onced::PayOnce(folder).ok();  // the second replays
  std::filesystem::remove_all(folder);
  return paid ? 0 : 1;
}
