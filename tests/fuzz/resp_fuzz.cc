// SPDX-License-Identifier: MIT
// Any commands at all, from a client of the Redis door: every one has exactly one well-formed
// answer or none where none is wanted, and the turn can be committed.
//
// The interpreter and the store are the real ones, in this process; there is no socket.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/redis/interpreter.h"
#include "tests/fixtures.h"
#include "tests/fuzz/promise.h"
#include "tests/redis.h"
#include "tests/resp_pieces.h"

namespace onced {
namespace {

// -1: they are not whole.
int CountReplies(std::string_view bytes) {
  int count = 0;
  for (; !bytes.empty(); ++count) {
    const size_t size = ReplySize(bytes);
    if (size == 0) return -1;
    bytes.remove_prefix(size);
  }
  return count;
}

class Server {
 public:
  Server()
      : keyspace_(here_.store->NewKeyspace()),
        redis_({.keyspace = keyspace_.get(), .ledger = {.ledger = here_.ledger.get()}}) {
    redis_.scripts().EndAll();  // at the first look at them: some would run for ever
  }

  void Run(const std::vector<Words>& commands) {
    redis::Session session;
    redis_.Enter(&session);
    bool listened = false;
    for (const Words& words : commands) {
      const std::vector<std::string_view> arguments(words.begin(), words.end());
      const size_t before = session.out.size();
      const size_t replies = session.replies_in_turn;
      redis_.Execute(&session, arguments);
      if (session.close_now) break;
      const std::string_view answer = std::string_view(session.out).substr(before);
      const bool wanted = session.replies_in_turn != replies;
      listened = listened || session.listens();
      if (listened) {  // a message each for what it listens to, and those that it is sent
        Promise(!wanted || CountReplies(answer) > 0, "a command has answers", Shown(answer));
      } else {
        Promise(CountReplies(answer) == (wanted ? 1 : 0), "a command has one answer, or none",
                Shown(answer));
      }
      if (session.close) break;
    }
    redis_.Leave(&session);
    Promise(!redis_.data().fault().has_value(), "the storage has no fault");
    Promise(keyspace_->Commit().ok(), "the turn can be committed");
    Empty();
  }

 private:
  // So that each input begins with nothing.
  void Empty() {
    for (int number = 0; number < redis::kDatabases; ++number) {
      const redis::Selected db = redis_.data().Select("default", number);
      std::vector<std::string> names;
      (void)redis_.data().Scan(db, 0, SIZE_MAX, [&names](std::string_view name, const Entry&) {
        names.emplace_back(name);
      });
      for (const std::string& name : names) (void)redis_.data().Erase(db, name);
    }
    Promise(keyspace_->Commit().ok(), "what was written can be taken away");
  }

  LedgerInAFolder here_;
  const std::unique_ptr<Keyspace> keyspace_;
  redis::Interpreter redis_;
};

}  // namespace
}  // namespace onced

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static onced::Server server;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  server.Run(onced::ParsedInPieces(bytes, size, size).commands);
  return 0;
}
