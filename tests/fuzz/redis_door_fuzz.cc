// SPDX-License-Identifier: MIT
// Any bytes at all, sent to a Redis door over a socket: whatever they are, what comes back are
// whole replies, and the connection ends.
//
// The door is the real one, from socket to store, in this process. Scripts are off: some would run
// for a minute.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/redis/redis_door.h"
#include "tests/fixtures.h"
#include "tests/fuzz/promise.h"
#include "tests/fuzz/stranger.h"
#include "tests/redis.h"

namespace onced {
namespace {

class DoorInProcess {
 public:
  DoorInProcess() : keyspace_(here_.store->NewKeyspace()) {
    RedisDoorOptions options{
        .keyspace = keyspace_.get(),
        .ledger = {.ledger = &ledger_},
        .is_durable = [this](uint64_t sequence) { return here_.store->IsDurable(sequence); },
        .when_durable =
            [this](uint64_t sequence, std::function<void()> pass) {
              here_.store->WhenDurable(sequence, std::move(pass));
            },
        .scripts = false,
        .report =
            [](LogEvent event, const std::string& what) {
              Promise(event != LogEvent::kStorageFault, "no fault", what);
            }};
    door_ = Value(RedisDoor::Start(std::move(options), Value(wire::Port::Take("127.0.0.1", 0))));
  }
  uint16_t port() const { return door_->port(); }

 private:
  LedgerInAFolder here_;
  Ledger ledger_{here_.store.get(), {.wait_at_gate = false}};
  const std::unique_ptr<Keyspace> keyspace_;
  std::unique_ptr<RedisDoor> door_;
};

}  // namespace
}  // namespace onced

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static onced::DoorInProcess door;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  onced::Stranger stranger(door.port());
  stranger.Send("FLUSHALL\r\n");  // each input begins with nothing
  stranger.Send(bytes);
  stranger.FinishSending();
  stranger.ReadToEnd();
  std::string_view seen = stranger.seen();
  while (!seen.empty() && !stranger.was_reset()) {
    const size_t reply = onced::ReplySize(seen);
    onced::Promise(reply > 0, "a reply is whole", onced::Shown(seen.substr(0, 200)));
    seen.remove_prefix(reply);
  }
  return 0;
}
