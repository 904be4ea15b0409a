// SPDX-License-Identifier: MIT
// A disk that fails in a read: nothing was changed, and whoever asked is told so, and not that
// nobody knows.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "engine/keyspace.h"
#include "server/redis/redis_door.h"
#include "server/web/answer.h"
#include "tests/fixtures.h"
#include "tests/interrupted_store.h"
#include "tests/redis.h"

namespace onced {
namespace {

constexpr char kNothingWritten[] =
    "-MISCONF Errors reading what is stored: nothing of this was written\r\n";
constexpr char kNotKnown[] =
    "-MISCONF Errors writing to the log: whether this was written is not known\r\n";

// What fails while it is set: Loads, or Commits.
struct Failing {
  std::atomic<bool> reads{false}, writes{false};
};

class FailingKeyspace : public Keyspace {
 public:
  FailingKeyspace(std::unique_ptr<Keyspace> behind, const Failing* failing)
      : behind_(std::move(behind)), failing_(failing) {}
  Result<Space> Open(std::string_view tenant, uint8_t number) override {
    return behind_->Open(tenant, number);
  }
  void SetNow(int64_t now_ms) override { behind_->SetNow(now_ms); }
  int64_t ClockMs() const override { return behind_->ClockMs(); }
  Result<const Entry*> Load(Space space, std::string_view name) override {
    if (failing_->reads) return Status::Unreadable("read: IO error");
    return behind_->Load(space, name);
  }
  void Put(Space space, std::string_view name, ValueType type, int64_t dead_at_ms,
           std::string_view bytes) override {
    behind_->Put(space, name, type, dead_at_ms, bytes);
  }
  void Erase(Space space, std::string_view name) override { behind_->Erase(space, name); }
  void Flush(Space space) override { behind_->Flush(space); }
  Result<uint32_t> Scan(Space space, uint32_t from, size_t count, const Visit& visit) override {
    return behind_->Scan(space, from, count, visit);
  }
  Result<uint64_t> Count(Space space) override { return behind_->Count(space); }
  void Mark() override { behind_->Mark(); }
  void GoBack() override { behind_->GoBack(); }
  void ForgetMark() override { behind_->ForgetMark(); }
  size_t pending_bytes() const override { return behind_->pending_bytes(); }
  Result<uint64_t> Commit() override {
    if (!failing_->writes || behind_->pending_bytes() == 0) return behind_->Commit();
    behind_->Abandon();
    return Status::IoError("write: IO error");
  }
  void Abandon() override { behind_->Abandon(); }

 private:
  const std::unique_ptr<Keyspace> behind_;
  const Failing* const failing_;
};

struct FailingStore : InterruptedStore {
  FailingStore(Store* behind, const Failing* what) : InterruptedStore(behind), failing(what) {}
  Result<Found> Read(const Key& key) override {
    if (failing->reads) return Status::Unreadable("read: IO error");
    return InterruptedStore::Read(key);
  }
  Result<Applied> Update(const Key& key, Needs needs, const Decider& decide,
                         std::optional<Found> guess, const Waiter* waiter) override {
    if (failing->reads) return Status::Unreadable("read: IO error");
    if (failing->writes) return Status::IoError("write: IO error");
    return InterruptedStore::Update(key, needs, decide, std::move(guess), waiter);
  }
  const Failing* const failing;
};

class UnreadableDisk : public testing::Test {
 protected:
  UnreadableDisk() {
    RedisDoorOptions options{
        .keyspace = &keyspace,
        .ledger = {.ledger = &ledger},
        .is_durable = [this](uint64_t sequence) { return here.store->IsDurable(sequence); },
        .when_durable =
            [this](uint64_t sequence, std::function<void()> pass) {
              here.store->WhenDurable(sequence, std::move(pass));
            },
        .report = [](LogEvent, const std::string&) {}};
    door = Value(RedisDoor::Start(std::move(options), Value(wire::Port::Take("127.0.0.1", 0))));
  }

  Failing failing;
  LedgerInAFolder here;
  FailingKeyspace keyspace{here.store->NewKeyspace(), &failing};
  FailingStore store{here.store.get(), &failing};
  Ledger ledger{&store, {.wait_at_gate = false}};
  std::unique_ptr<RedisDoor> door;
};

// A GET, too, was told that it might have been written.
TEST_F(UnreadableDisk, IsToldToARedisClientAsAReadThatFailed) {
  RespClient redis(door->port());
  EXPECT_EQ(redis.Ask("SET k before"), "+OK\r\n");
  failing.reads = true;
  EXPECT_EQ(redis.Ask("GET k"), kNothingWritten);
  EXPECT_EQ(redis.Ask("APPEND k more"), kNothingWritten) << "its read failed, nothing was put";
  EXPECT_EQ(redis.Ask("ONCED.GET k"), kNothingWritten);
  EXPECT_EQ(redis.Ask("ONCED.CLAIM k"), kNothingWritten);
  failing.reads = false;
  EXPECT_EQ(redis.Ask("GET k"), "$6\r\nbefore\r\n");
  EXPECT_EQ(redis.Ask("ONCED.GET k"), "$-1\r\n");
}

// Commands that are ready together are written together, or not at all.
TEST_F(UnreadableDisk, IsToldToAllWhoseCommandsWereOfTheTurn) {
  RespClient redis(door->port());
  failing.reads = true;
  redis.SendBytes(Resp({"SET", "a", "1"}) + Resp({"GET", "b"}));
  EXPECT_EQ(redis.Receive(), kNothingWritten);
  EXPECT_EQ(redis.Receive(), kNothingWritten);
  failing.reads = false;
  EXPECT_EQ(redis.Ask("GET a"), "$-1\r\n");
}

TEST_F(UnreadableDisk, IsToldFromAWriteThatFailed) {
  RespClient redis(door->port());
  failing.writes = true;
  EXPECT_EQ(redis.Ask("SET k v"), kNotKnown);
  EXPECT_EQ(redis.Ask("ONCED.CLAIM k"), kNotKnown);
}

TEST(UnreadableDiskAtTheApi, IsToldFromAWriteThatFailed) {
  const auto detail = [](const Status& fault) {
    const Answer answer = FaultAnswer(fault);
    EXPECT_EQ(answer.status, 503);
    return std::string(nlohmann::json::parse(answer.body)["detail"]);
  };
  EXPECT_NE(detail(Status::Unreadable("read")).find("nothing was changed"), std::string::npos);
  EXPECT_NE(detail(Status::Corruption("decode")).find("nothing was changed"), std::string::npos);
  EXPECT_NE(detail(Status::IoError("write")).find("is unknown"), std::string::npos);
}

}  // namespace
}  // namespace onced
