// SPDX-License-Identifier: MIT
#include "tests/mortal_store.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>
#include <utility>

namespace onced {
namespace {

constexpr int kCallers = 3;       // of the ledger
constexpr int kCallsOfOne = 12;   // of a caller, in one life
constexpr int kFlushEvery = 3;    // of the calls of one caller, where there are flushes
constexpr char kPair[] = "pair";  // the story of the keyspace's names

Shape InFlight(uint64_t fence = 0) { return {.kind = Shape::Kind::kInFlight, .fence = fence}; }
Shape Completed(std::string result) {
  return {.kind = Shape::Kind::kCompleted, .result = std::move(result)};
}

}  // namespace

MortalStore::MortalStore(uint64_t seed)
    : disk_(folder_.path()), random_(seed), work_random_(seed + 1) {}

RocksStoreOptions MortalStore::Options(Durability durability) {
  RocksStoreOptions options = QuickOptions(folder_.path(), &clock_);
  options.durability = durability;
  options.sync_interval = kInterval;
  options.footprint = Footprint::kEdge;
  options.reap_memory_age_ms = 0;  // whenever it is called for
  options.env = disk_.env();
  options.accept_data_loss = accepts_loss_;
  options.on_log_failure = [this](const Status&) { ++log_failures_; };  // the callers end by it
  return options;
}

std::unique_ptr<RocksStore> MortalStore::Open(Durability durability) {
  Result<std::unique_ptr<RocksStore>> store = RocksStore::Open(Options(durability));
  refused_.reset();
  if (!store.ok()) refused_ = store.status();
  return store.ok() ? std::move(*store) : nullptr;
}

Shape MortalStore::ShapeOf(const std::optional<Record>& record) {
  if (!record.has_value()) return {};
  return record->state == State::kCompleted ? Completed(record->result.value_or(""))
                                            : InFlight(record->fence);
}

// With power, and on a disk that does as it should, no call may fail.
void MortalStore::Failed(const std::string& call, const Status& status) {
  if (disk_.IsCut() || disk_.troubles() > 0) return;
  MutexLock lock(mutex_);
  wrongs_.push_back(call + " failed with the power on: " + status.message());
}

void MortalStore::Rest(uint64_t intervals) const {
  if (pace_ != Pace::kWithRests) return;
  // real time: it is what the engine's interval goes by
  std::this_thread::sleep_for(kInterval * intervals);
}

void MortalStore::Flush(RocksStore* store) {
  const Status reaped = store->Reap();
  if (!reaped.ok()) Failed("a flush", reaped);
}

// Claims, completes and releases keys of its own, and looks at those of others.
void MortalStore::CallLedger(RocksStore* store, int caller, uint64_t seed) {
  std::mt19937_64 random(seed);
  Ledger ledger(store);
  const std::string prefix = "k" + std::to_string(keys_) + "-";
  std::string key;
  uint64_t fence = 0;
  for (int call = 0; call < kCallsOfOne; ++call) {
    if (fence == 0) {
      if (key.empty() || random() % 3 > 0) {
        key = prefix + std::to_string(caller) + "-" + std::to_string(call);
      }
      if (stories_.Last(key).kind == Shape::Kind::kCompleted) continue;
      const Stories::Handle handle = stories_.Begin(key, InFlight());
      const Result<Reply> claimed = ledger.Claim(K(key), LongClaim());
      if (!claimed.ok()) return Failed("a claim", claimed.status());
      fence = claimed->record->fence;
      stories_.End(handle, fence, claimed->sequence, disk_.LogBytes());
    } else if (random() % 4 == 0) {
      const Stories::Handle handle = stories_.Begin(key, Shape{});
      const Result<Reply> released = ledger.Release(K(key), {.fence = fence});
      if (!released.ok()) return Failed("a release", released.status());
      stories_.End(handle, 0, released->sequence, disk_.LogBytes());
      fence = 0;
    } else {
      std::string result(random() % 600, static_cast<char>('a' + random() % 26));
      const Stories::Handle handle = stories_.Begin(key, Completed(result));
      const Result<Reply> completed = ledger.Complete(
          K(key), {.fence = fence, .result = std::move(result), .retention_ms = std::nullopt});
      if (!completed.ok()) return Failed("a complete", completed.status());
      stories_.End(handle, 0, completed->sequence, disk_.LogBytes());
      fence = 0;
    }
    const std::string other =
        prefix + std::to_string(random() % kCallers) + "-" + std::to_string(random() % kCallsOfOne);
    const Result<FoundReply> found = ledger.Find(K(other));
    if (!found.ok()) Failed("a look", found.status());
    if (found.ok() && found->record.has_value()) stories_.Saw(other, ShapeOf(found->record));
    if (pace_ == Pace::kWithFlushes && caller == 0 && call % kFlushEvery == 0) Flush(store);
    Rest(random() % 10);
  }
}

// Turns that set two names to the same number.
void MortalStore::CallKeyspace(RocksStore* store, Durability durability) {
  const std::unique_ptr<Keyspace> keyspace = store->NewKeyspace();
  const Result<Keyspace::Space> space = keyspace->Open("default", 0);
  if (!space.ok()) return Failed("opening the names", space.status());
  for (int call = 0; call < kCallsOfOne; ++call) {
    const std::string number = std::to_string(++turns_);
    const Stories::Handle handle = stories_.Begin(kPair, Completed(number));
    for (const char* name : {"a", "b"}) {
      keyspace->Put(*space, name, ValueType::kString, kNeverMs, number);
    }
    const Result<uint64_t> committed = keyspace->Commit();
    if (!committed.ok()) return Failed("a turn", committed.status());
    if (durability == Durability::kSync) {
      const Status durable = store->WaitDurable(*committed);
      if (!durable.ok()) return Failed("the wait for a turn", durable);
    }
    stories_.End(handle, 0, *committed, disk_.LogBytes());
    Rest(5);
  }
}

void MortalStore::Call(RocksStore* store, Durability durability) {
  ++keys_;
  std::vector<std::function<void()>> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([this, store, i, seed = work_random_()] { CallLedger(store, i, seed); });
  }
  callers.emplace_back([this, store, durability] { CallKeyspace(store, durability); });
  if (pace_ == Pace::kInTurn) {
    for (const auto& caller : callers) caller();
    return;
  }
  std::vector<std::thread> threads;
  for (const auto& caller : callers) threads.emplace_back(caller);
  for (std::thread& thread : threads) thread.join();
}

void MortalStore::Work(RocksStore* store, Durability durability) {
  const uint64_t durable_before = store->Health().durable_sequence;
  std::atomic<bool> done{false};
  uint64_t durable = 0;
  std::thread watcher([&] {
    while (!done && !disk_.IsCut()) {
      const uint64_t now = store->Health().durable_sequence;
      if (!disk_.IsCut()) durable = std::max(durable, now);
      // Room again: nothing else would end a caller's wait for it.
      if (full_ && disk_.troubles() > 0) disk_.Mend();
      // real time: the engine's own threads move in it
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  const uint64_t logs_before = disk_.LogsBegun();
  Call(store, durability);
  logs_ = disk_.LogsBegun() - logs_before;
  cut_at_ = disk_.IsCut() ? disk_.cut_at() : Stories::Clock::now();
  done = true;
  watcher.join();
  promise_ = {.all = durability == Durability::kSync, .durable = durable};
  durable_moved_ = durable > durable_before;
}

void MortalStore::JudgeWaits(const Metronomes& metronomes) {
  const std::vector<CrashDisk::LogSync> syncs = disk_.LogSyncs();
  size_t most = 0;
  size_t longest = 0;  // from an answer to the end
  for (const Stories::Answer& answer : stories_.Answers()) {
    const auto has_it = std::find_if(syncs.begin(), syncs.end(), [&](const auto& sync) {
      return sync.bytes >= answer.log_bytes;
    });
    // A sync that was under way and has it not is waited for first.
    auto from = answer.at;
    for (const auto& sync : syncs) {
      if (sync.begun <= from && from < sync.ended) from = sync.ended;
    }
    const bool synced = has_it != syncs.end();
    const Wait wait{.ticks = metronomes.Between(from, synced ? has_it->begun : cut_at_),
                    .synced = synced,
                    .to_end = metronomes.Between(from, cut_at_),
                    .rests = pace_ == Pace::kWithRests};
    waits_.push_back(wait);
    most = std::max(most, wait.ticks);
    longest = std::max(longest, wait.to_end);
  }
  MutexLock lock(mutex_);
  if (most > kTicksMax) {
    wrongs_.push_back("an answer was in no sync of the log for " + std::to_string(most) +
                      " intervals");
  }
  if (longest > kTicksMax && !durable_moved_) {
    wrongs_.push_back("in " + std::to_string(longest) + " intervals nothing has become durable");
  }
}

// Whoever is told nothing of a log that failed goes on answering.
void MortalStore::JudgeStop(Trouble trouble) {
  if (trouble == Trouble::kNoSpace || disk_.log_troubles() == 0) return;
  if (Eventually([this] { return log_failures_ > 0; })) return;
  MutexLock lock(mutex_);
  wrongs_.push_back("a log has failed, and nobody was told");
}

MortalStore::Cut MortalStore::Live(Durability durability, uint64_t cut_at, Loss loss, Pace pace) {
  promise_ = {};
  pace_ = pace;
  logs_ = 0;
  const uint64_t calls_before = disk_.calls();  // of the last Look
  disk_.CutAt(cut_at);
  std::unique_ptr<RocksStore> store = Open(durability);
  Cut cut = disk_.IsCut() ? Cut::kInStart : Cut::kAtWork;
  if (store != nullptr) {
    if (durability == Durability::kInterval) {
      Metronomes metronomes(kInterval);
      Work(store.get(), durability);
      metronomes.Stop();
      JudgeWaits(metronomes);
    } else {
      Work(store.get(), durability);
    }
    store.reset();
    if (!disk_.IsCut()) {
      promise_.all = true;  // it was closed in good order
      cut = Cut::kAfterwards;
    }
  } else if (!disk_.IsCut()) {
    throw std::runtime_error("does not open: " + refused_->message());
  }
  calls_ = disk_.calls() - calls_before;
  Lose(loss);
  return cut;
}

void MortalStore::Lose(Loss loss) {
  disk_.CutNow();
  cut_at_ = disk_.cut_at();
  const std::vector<CrashDisk::LogSync> syncs = disk_.LogSyncs();
  promise_.log_bytes = syncs.empty() ? 0 : syncs.back().bytes;
  disk_.Lose(loss, random_);
}

void MortalStore::LoseTheMark() {
  std::filesystem::remove(folder_.path() + "/high-water");
  accepts_loss_ = true;
  clock_.Advance(kMinuteMs);  // fences then go by the time alone, and starts are not that frequent
}

void MortalStore::LiveOnALie(Durability durability) {
  promise_ = {};
  std::unique_ptr<RocksStore> store = Open(durability);
  if (store == nullptr) throw std::runtime_error("does not open: " + refused_->message());
  disk_.Lie();
  Work(store.get(), durability);
  store.reset();
  disk_.CutNow();
  const std::string mark = ReadFile(folder_.path() + "/high-water");
  disk_.Lose(Loss::kBytes, random_);
  WriteFile(folder_.path() + "/high-water", mark);
}

bool MortalStore::LiveWithTrouble(Durability durability, Trouble trouble, uint64_t call,
                                  bool sticky, From from, End end) {
  promise_ = {};
  pace_ = Pace::kAtOnce;
  log_failures_ = 0;
  if (from == From::kOpening) disk_.Break(trouble, call, sticky);
  std::unique_ptr<RocksStore> store = Open(durability);
  if (store == nullptr && disk_.troubles() == 0) {
    throw std::runtime_error("does not open: " + refused_->message());
  }
  if (store == nullptr) {  // it was told nothing else, and must not have spoilt anything
    chances_ = disk_.chances();
    disk_.Mend();
    if (end == End::kCut) Lose(Loss::kAll);
    return true;
  }
  full_ = trouble == Trouble::kNoSpace;
  if (from == From::kOpen) disk_.Break(trouble, call, sticky);
  Work(store.get(), durability);
  JudgeStop(trouble);
  // What a store that closes makes tables of does not depend on its log any more.
  if (end == End::kCut) disk_.CutNow();
  store.reset();
  const bool befell = disk_.troubles() > 0;
  chances_ = disk_.chances();
  full_ = false;
  Lose(Loss::kAll);
  return befell;
}

Stories::Shown MortalStore::Show(RocksStore* store, std::vector<std::string>* wrongs) {
  Stories::Shown shown;
  Ledger ledger(store);
  for (const std::string& key : stories_.Keys()) {
    if (key == kPair) continue;
    shown[key] = ShapeOf(Value(ledger.Find(K(key))).record);
  }
  const std::unique_ptr<Keyspace> keyspace = store->NewKeyspace();
  const Keyspace::Space space = Value(keyspace->Open("default", 0));
  std::vector<std::string> pair;
  for (const char* name : {"a", "b"}) {
    const Entry* const entry = Value(keyspace->Load(space, name));
    pair.emplace_back(entry == nullptr ? "" : std::string(entry->bytes));
  }
  if (pair[0] != pair[1]) wrongs->push_back("half a turn: " + pair[0] + " and " + pair[1]);
  shown[kPair] = pair[0].empty() ? Shape{} : Completed(pair[0]);
  return shown;
}

// A fence that nobody has had.
void MortalStore::Probe(RocksStore* store, Stories::Shown* shown,
                        std::vector<std::string>* wrongs) {
  const std::string key = "probe-" + std::to_string(++keys_);
  const Stories::Handle handle = stories_.Begin(key, InFlight());
  const Reply claimed = Value(Ledger(store).Claim(K(key), LongClaim()));
  const uint64_t fence = claimed.record->fence;
  if (fence <= stories_.highest_fence()) {
    wrongs->push_back("fence " + std::to_string(fence) + " is not above " +
                      std::to_string(stories_.highest_fence()));
  }
  stories_.End(handle, fence, claimed.sequence, 0);
  (*shown)[key] = InFlight(fence);
}

std::vector<std::string> MortalStore::Look() {
  std::vector<std::string> wrongs;
  {
    MutexLock lock(mutex_);
    wrongs = std::exchange(wrongs_, {});
  }
  std::unique_ptr<RocksStore> store = Open(Durability::kSync);
  if (store == nullptr) {
    wrongs.push_back("does not open: " + refused_->message());
    return wrongs;
  }
  Stories::Shown shown = Show(store.get(), &wrongs);
  const Stories::Verdict verdict = stories_.Judge(shown, promise_, cut_at_);
  wrongs.insert(wrongs.end(), verdict.wrongs.begin(), verdict.wrongs.end());
  answered_ += verdict.answered;
  lost_ += verdict.lost;
  oldest_lost_ = std::max(oldest_lost_, verdict.oldest);
  Probe(store.get(), &shown, &wrongs);
  stories_.GoOnFrom(shown);
  return wrongs;
}

}  // namespace onced
