// SPDX-License-Identifier: MIT
// A full disk is not a broken one: what begins is refused, before it is full; what is there is
// served; and when there is space again, the store goes on by itself or asks for a restart. It
// never hangs and never aborts.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/rocks_database.h"
#include "tests/fixtures.h"
#include "tests/held_disk.h"
#include "tests/metronomes.h"

namespace onced {
namespace {
// While set, every file system of this process looks full to whoever asks.
std::atomic<bool> disk_looks_full{false};
}  // namespace
}  // namespace onced

// Takes the C library's place for this whole program; nothing else can fill a disk for a test.
extern "C" int statvfs(const char* path, struct statvfs* out) noexcept {
  using Function = int (*)(const char*, struct statvfs*);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "statvfs"));
  const int outcome = real(path, out);
  if (onced::disk_looks_full) out->f_bavail = out->f_bfree = 0;
  return outcome;
}

namespace onced {
namespace {

struct FullDisk {
  FullDisk() { disk_looks_full = true; }
  ~FullDisk() { disk_looks_full = false; }
};

uint64_t Won(LedgerInAFolder& here, const Key& key) {
  return Value(here->Claim(key, AClaim())).record->fence;
}

TEST(FullDisk, RefusesABatchWhole) {
  LedgerInAFolder here;
  const uint64_t fence = Won(here, K("a"));
  here.Close();
  const FullDisk full;
  here.Reopen();
  const std::vector<Operation> operations = {{K("a"), CompleteCommand{.fence = fence}},
                                             {K("b"), AClaim()}};
  EXPECT_EQ(FaultOf(here->DoAll(operations)), Fault::kFull);
  EXPECT_EQ(Value(here->Find(K("a"))).record->state, State::kInFlight);
}

TEST(FullDisk, RefusesWhatBeginsAndServesAndEndsTheRest) {
  LedgerInAFolder here;
  (void)Value(here->Complete(K("done"), {.fence = Won(here, K("done"))}));
  const uint64_t flying = Won(here, K("flying"));
  const uint64_t waiting = Won(here, K("waiting"));
  here.Close();
  {
    const FullDisk full;
    here.Reopen();
    EXPECT_TRUE(here.store->Health().space_low);
    EXPECT_EQ(FaultOf(here->Claim(K("new"), AClaim())), Fault::kFull);
    EXPECT_EQ(FaultOf(here->CompleteUnclaimed(K("new"), {.retention_ms = kMinuteMs})),
              Fault::kFull);
    bool ran = false;
    EXPECT_EQ(FaultOf(here->Execute(K("new"), {}, {},
                                    [&](Batch&) {
                                      ran = true;
                                      return Result<std::string>("");
                                    })),
              Fault::kFull);
    EXPECT_FALSE(Value(here->Find(K("new"))).record.has_value());

    EXPECT_EQ(Value(here->Claim(K("done"), AClaim())).outcome, Outcome::kReplay);
    EXPECT_EQ(Value(here->Claim(K("flying"), AClaim())).outcome, Outcome::kInFlight);
    EXPECT_EQ(Value(here->Renew(K("flying"), {.fence = flying, .lease_ms = 1'000})).outcome,
              Outcome::kRenewed);
    EXPECT_EQ(Value(here->Complete(K("flying"), {.fence = flying})).outcome, Outcome::kCompleted);
    EXPECT_EQ(Value(here->Release(K("waiting"), {.fence = waiting})).outcome, Outcome::kReleased);
  }
  EXPECT_TRUE(Eventually([&] { return here->Claim(K("new"), AClaim()).ok(); }))
      << "it goes on by itself when there is space again";
}

TEST(FullDisk, IsNoticedWhileRunning) {
  LedgerInAFolder here;
  (void)Won(here, K("a"));
  const FullDisk full;
  EXPECT_TRUE(Eventually([&] { return here.store->Health().space_low; }));
  EXPECT_EQ(FaultOf(here->Claim(K("b"), AClaim())), Fault::kFull);
}

// From here on: the disk is full indeed, a write to the log fails.

struct FillingLedger {
  FillingLedger() : env(EnvOn(&disk)) {
    RocksStoreOptions options = QuickOptions(folder.path(), &clock);
    options.durability = Durability::kSync;
    options.env = env.get();
    options.on_log_failure = [this](const Status&) { restart = true; };
    store = OpenStore(options);
    ledger = std::make_unique<Ledger>(store.get());
  }
  void Fill() { disk_looks_full = disk.full = true; }
  void Empty() { disk_looks_full = disk.full = false; }
  bool Claims(const std::string& key) { return ledger->Claim(K(key), AClaim()).ok(); }

  TempFolder folder;
  ManualClock clock;
  HeldDisk disk;
  std::unique_ptr<rocksdb::Env> env;
  std::atomic<bool> restart{false};
  std::unique_ptr<RocksStore> store;
  std::unique_ptr<Ledger> ledger;
};

TEST(FullDisk, IsOutlived) {
  FillingLedger here;
  const Reply claimed = Value(here.ledger->Claim(K("a"), AClaim()));
  (void)Value(here.ledger->Complete(K("a"), {.fence = claimed.record->fence, .result = "r"}));
  here.Fill();
  EXPECT_EQ(FaultOf(here.ledger->Claim(K("b"), AClaim())), Fault::kNoSpace);
  EXPECT_EQ(Value(here.ledger->Claim(K("a"), AClaim())).outcome, Outcome::kReplay);
  EXPECT_EQ(FaultOf(here.store->Flush()), Fault::kNoSpace) << "the syncer keeps off the log";
  here.Empty();
  EXPECT_TRUE(Eventually([&] { return here.Claims("c"); }));
  EXPECT_TRUE(here.store->Flush().ok());
  EXPECT_FALSE(here.restart);
}

// What the gateway relies on when it records the end of a run: the write that failed is seen by
// nobody, and the same one, by the same fence, is taken when there is room.
TEST(FullDisk, TakesTheSameCompletionWhenThereIsRoom) {
  FillingLedger here;
  const uint64_t fence = Value(here.ledger->Claim(K("a"), AClaim())).record->fence;
  const CompleteCommand complete{.fence = fence, .result = "r"};
  here.Fill();
  EXPECT_EQ(FaultOf(here.ledger->Complete(K("a"), complete)), Fault::kNoSpace);
  EXPECT_EQ(FaultOf(here.ledger->Complete(K("a"), complete)), Fault::kFull) << "and by now parked";
  EXPECT_EQ(Value(here.ledger->Find(K("a"))).record->state, State::kInFlight);
  here.Empty();
  EXPECT_TRUE(Eventually([&] { return here.ledger->Complete(K("a"), complete).ok(); }));
  EXPECT_EQ(Value(here.ledger->Complete(K("a"), complete)).outcome, Outcome::kCompleted);
  EXPECT_EQ(Value(here.ledger->Claim(K("a"), AClaim())).outcome, Outcome::kReplay);
}

// The free space that the system reports is not the whole truth: writes failed, and every probe was
// told that all was well, because the caretaker had looked again and seen room.
TEST(FullDisk, IsToldAsLongAsWritesFail) {
  FillingLedger here;
  ASSERT_TRUE(here.Claims("a"));
  here.disk.full = true;
  EXPECT_EQ(FaultOf(here.ledger->Claim(K("b"), AClaim())), Fault::kNoSpace);
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  while (std::chrono::steady_clock::now() < until) {
    ASSERT_TRUE(here.store->Health().space_low);
    ASSERT_TRUE(here.store->Readiness().space_low);
    ASSERT_TRUE(here.store->Readiness().writes_parked);
    // real time: the caretaker looks every 100 ms
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  here.disk.full = false;
  EXPECT_TRUE(Eventually([&] { return !here.store->Health().space_low; }));
  EXPECT_FALSE(here.store->Readiness().writes_parked);
  EXPECT_TRUE(Eventually([&] { return here.Claims("c"); }));
}

// A stop waited for a recovery that could not begin: five or six seconds, on a disk that stayed
// full. What it does wait for is half a second (rocks_room.h). Counted in tenths of a second as a
// busy machine has them.
TEST(FullDisk, IsNotWaitedForAtAStop) {
  FillingLedger here;
  ASSERT_TRUE(here.Claims("a"));
  here.Fill();
  EXPECT_EQ(FaultOf(here.ledger->Claim(K("b"), AClaim())), Fault::kNoSpace);
  const size_t tenths = Metronomes::TicksOf(std::chrono::milliseconds(100), [&] {
    here.ledger.reset();
    here.store.reset();
  });
  EXPECT_LT(tenths, 35u);
  here.Empty();
}

// RocksDB must not be closed while it recovers: the thread that does so found the database gone.
TEST(FullDisk, IsRecoveredFromBeforeAStop) {
  for (int round = 0; round < 5; ++round) {
    FillingLedger here;
    ASSERT_TRUE(here.Claims("a"));
    here.disk.full = true;  // and looks as if there were room: it tries at once
    EXPECT_EQ(FaultOf(here.ledger->Claim(K("b"), AClaim())), Fault::kNoSpace);
    // real time: the close is to meet the recovery at another point each time
    std::this_thread::sleep_for(std::chrono::milliseconds(round * 3));
    here.ledger.reset();
    here.store.reset();
  }
}

TEST(RoomWatch, LetsNoRecoveryBeginOnceItIsClosedAndWaitsForTheOneThatHas) {
  const auto watch = std::make_shared<RoomWatch>();
  const auto files = watch->Watch(rocksdb::FileSystem::Default(), 1);
  const auto looks = [&](const std::string& path) {
    uint64_t free = 0;
    return files->GetFreeSpace(path, rocksdb::IOOptions(), &free, nullptr);
  };
  watch->RecoveryBegins(/*hard=*/true);
  EXPECT_TRUE(looks("/tmp").ok());
  std::atomic<bool> closed{false};
  std::thread closing([&] {
    watch->Close();
    closed = true;
  });
  // real time: what is waited for must not happen
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(closed) << "a recovery is under way";
  watch->RecoveryEnded();
  closing.join();
  EXPECT_TRUE(looks("/tmp").IsNoSpace());
  const TempFolder folder;
  WriteFile(folder.path("000001.sst"), "");
  EXPECT_TRUE(looks(folder.path("000001.sst")).ok()) << "a compaction asks for itself";
}

// As RocksDB judges it: a full log is left only when a write buffer fits.
TEST(RoomWatch, TellsOfNoRoomBelowTheReserveWhileWritesFail) {
  const auto watch = std::make_shared<RoomWatch>();
  const auto files = watch->Watch(rocksdb::FileSystem::Default(), UINT64_MAX);
  uint64_t free = 0;
  watch->RecoveryBegins(/*hard=*/true);
  EXPECT_TRUE(files->GetFreeSpace("/tmp", rocksdb::IOOptions(), &free, nullptr).IsNoSpace());
  watch->RecoveryBegins(/*hard=*/false);
  EXPECT_TRUE(files->GetFreeSpace("/tmp", rocksdb::IOOptions(), &free, nullptr).ok());
}

// The two below happen in a child of their own: RocksDB, as Debian builds it, aborts the process
// when a log is touched whose last append has failed.

[[noreturn]] void Leave(FillingLedger& here, bool as_promised) {
  std::error_code ignored;
  std::filesystem::remove_all(here.folder.path(""),
                              ignored);  // threads may hang: nothing is destroyed
  std::_Exit(as_promised ? 0 : 1);
}

// Many writers meet the full disk at once, and some go on trying: completions and renewals are not
// refused for want of space. They must not keep the store from getting up again.
void MeetAFullDiskInThreads() {
  FillingLedger here;
  std::atomic<bool> stop{false};
  std::atomic<int> begun{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      const std::string mine = "t" + std::to_string(t);
      const uint64_t fence = Value(here.ledger->Claim(K(mine), AClaim())).record->fence;
      ++begun;
      for (int i = 0; !stop; ++i) {
        if (t % 2 == 0) {
          (void)here.Claims(mine + "." + std::to_string(i));
        } else {
          (void)here.ledger->Renew(K(mine), {.fence = fence, .lease_ms = 5'000});
        }
      }
    });
  }
  bool up = Eventually([&] { return begun == 6; });  // or a late one would find the disk full
  for (int round = 0; up && round < 2; ++round) {
    up = Eventually([&] { return here.store->Health().durable_sequence > 100; });
    here.Fill();
    up = up && Eventually([&] {
           return FaultOf(here.ledger->Claim(K("full"), AClaim())) == Fault::kNoSpace;
         });
    here.Empty();
    const std::string key = "round" + std::to_string(round);
    up = up && Eventually([&] { return here.restart || here.store->Flush().ok(); });
    up = up && Eventually([&] { return here.restart || here.Claims(key); });
  }
  if (!up) Leave(here, false);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  Leave(here, true);
}

TEST(FullDisk, IsOutlivedUnderLoad) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(MeetAFullDiskInThreads(), testing::ExitedWithCode(0), "");
}

// Nothing has been written since the log was begun, so RocksDB sees no reason to begin another.
void MeetAFullDiskFirst() {
  FillingLedger here;
  here.Fill();
  const bool refused = FaultOf(here.ledger->Claim(K("a"), AClaim())) == Fault::kNoSpace;
  here.Empty();
  const bool up = Eventually([&] { return here.restart || here.Claims("b"); });
  Leave(here, refused && up);
}

TEST(FullDisk, IsOutlivedByAFreshLog) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(MeetAFullDiskFirst(), testing::ExitedWithCode(0), "");
}

// Between the failed write and the word of it, the syncer may come by.
void SyncAfterAFailedWrite() {
  FillingLedger here;
  here.ledger.reset();
  here.store.reset();
  RocksStoreOptions options = QuickOptions(here.folder.path("other"), &here.clock);
  options.env = here.env.get();
  const auto database = Value(RocksDatabase::Open(options.path, options, &here.clock));
  rocksdb::WriteBatch batch;
  batch.Put(database->handle(Family::kEffects), "key", "value");
  here.disk.full = true;
  const bool refused = FaultOf(database->Write(&batch)) == Fault::kNoSpace;
  Leave(here, refused && FaultOf(database->Sync()) == Fault::kUnavailable);
}

TEST(FullDisk, IsNotSyncedAfterAFailedWrite) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(SyncAfterAFailedWrite(), testing::ExitedWithCode(0), "");
}

// At a stop the handler is taken away and what it calls into, the gate, is destroyed. A thread of
// the database that was in the handler at that moment once found the gate gone.
TEST(ErrorHandler, IsLeftByWhoeverRunsItBeforeItIsReplaced) {
  const TempFolder folder;
  ManualClock clock;
  HeldDisk disk;
  const std::unique_ptr<rocksdb::Env> env = EnvOn(&disk);
  RocksStoreOptions options = QuickOptions(folder.path(), &clock);
  options.env = env.get();
  const auto database = Value(RocksDatabase::Open(options.path, options, &clock));
  std::atomic<bool> entered{false}, replaced{false}, met{false};
  database->SetErrorHandler(
      {.out_of_space = nullptr, .recovered = nullptr, .log_lost = [&](const Status&) {
         entered = true;
         // Gives a replacement that does not wait all the time it wants.
         for (int i = 0; i < 200 && !replaced; ++i) {
           // real time: what is waited for must not happen
           std::this_thread::sleep_for(std::chrono::milliseconds(1));
         }
         met = replaced.load();
       }});
  disk.breaks_appends = true;
  std::thread writer([&] {
    rocksdb::WriteBatch batch;
    batch.Put(database->handle(Family::kRecords), K("k").encoded(), "v");
    EXPECT_FALSE(database->Write(&batch).ok());
  });
  EXPECT_TRUE(Eventually([&] { return entered.load(); }));
  database->SetErrorHandler({});
  replaced = true;
  writer.join();
  EXPECT_FALSE(met) << "it was replaced while it ran";
}

}  // namespace
}  // namespace onced
