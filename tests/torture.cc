// SPDX-License-Identifier: MIT
// torture: the real program under callers by all three doors, and a plan of faults that its seed
// decides: kill -9 and a start in another durability mode, the power cut under it, the server
// stopped past leases, owners stopped past theirs, the disk filled, the wall clock set. Every
// answer is written down, and at the end the whole history is judged.
//
// Threads: the main one carries out the plan; a thread a caller.
// Invariants: the same seed makes the same plan, and the same wishes of every caller; what they are
// told depends on the moment too.
#include <signal.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/linearizability.h"
#include "tests/payers.h"
#include "tests/proof.h"
#include "tests/tortured.h"
#include "tests/witness.h"
#include "tests/zombie.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kCallers = 8;
constexpr size_t kPayers = 3;
constexpr size_t kAtATime = 8;  // zombies
// With fewer calls a second than this, faults find nobody at work.
constexpr double kCallsASecondLeast = 500;
constexpr const char* kModes[] = {"sync", "interval", "os"};
constexpr const char* kOffsets[] = {"+1s", "-1s", "+1h", "-1h", "+30d", "-30d", "+4000d", "+0"};

enum class Fault { kKill, kFreeze, kZombies, kCut, kFull, kClock };
constexpr uint64_t kFaults = 6;

struct Planned {
  milliseconds pause;  // before it
  Fault fault;
  milliseconds lasts;  // of a freeze, of a full disk
  const char* mode;    // after a kill or a cut
  const char* offset;  // of the wall clock
};

std::vector<Planned> Plan(uint64_t seed, milliseconds time) {
  std::mt19937_64 random(seed);
  std::vector<Planned> plan;
  bool in_sync = true;  // the others do not promise to outlive a cut
  for (milliseconds at{0}; at < time;) {
    Planned next{.pause = milliseconds(50 + random() % 1'500),
                 .fault = static_cast<Fault>(random() % kFaults),
                 .lasts = milliseconds(50 + random() % 600),
                 .mode = kModes[random() % 3],
                 .offset = kOffsets[random() % std::size(kOffsets)]};
    if (next.fault == Fault::kCut && !in_sync) next.fault = Fault::kKill;
    const bool starts =
        next.fault == Fault::kKill || next.fault == Fault::kZombies || next.fault == Fault::kCut;
    if (starts) in_sync = next.mode == kModes[0];
    at += next.pause + (starts ? milliseconds(200) : next.lasts);
    plan.push_back(next);
  }
  return plan;
}

void Nap(milliseconds time) {
  std::this_thread::sleep_for(time);  // real time: the program under test lives in it
}

class Torture {
 public:
  explicit Torture(uint64_t seed) {
    for (size_t c = 0; c < kCallers; ++c) {
      witnesses_.push_back(std::make_unique<Witness>(history_.NewRecorder(), nullptr));
      callers_.push_back(std::make_unique<RandomCaller>(witnesses_[c].get(), &keys_, seed + c));
    }
    for (size_t p = 0; p < kPayers; ++p) {
      payers_.push_back(std::make_unique<Payer>(&first_payment_, seed + p));
    }
    finisher_ = std::make_unique<Witness>(history_.NewRecorder(), nullptr);
    server_.Start("sync");
    StartCallers();
  }
  // Also when it could not go on.
  ~Torture() {
    if (threads_.empty()) return;
    (void)server_.Kill();
    Join();
  }

  void Suffer(const Planned& planned) {
    Nap(planned.pause);
    switch (planned.fault) {
      case Fault::kFreeze:
        server_.Signal(SIGSTOP);
        Nap(planned.lasts);
        return server_.Signal(SIGCONT);
      case Fault::kKill:
        StartAgain(server_.Kill(), planned.mode);
        return StartCallers();
      case Fault::kCut:
        StartAgain(server_.CutPower(), planned.mode);
        return StartCallers();
      case Fault::kZombies:
        StartAgain(server_.Kill(), planned.mode);
        return RaiseZombies();
      case Fault::kFull:
        server_.FillDisk();
        Nap(planned.lasts);
        return server_.EmptyDisk();
      case Fault::kClock:
        return server_.SetClock(planned.offset);
    }
  }

  // All that was asked and told, and what there is at the end.
  std::vector<Call> Finish() {
    StartAgain(server_.Kill(), "sync");
    for (size_t k = 0; k < keys_.first + HotKeys::kMany; ++k) {
      finisher_->AskAndHear(FindOf("k" + std::to_string(k)));
    }
    for (size_t z = 0; z < born_; ++z) finisher_->AskAndHear(FindOf("z" + std::to_string(z)));
    wrong_payment_ = JudgePayers(payers_, server_.RunsByKey(), server_.gateway_port(), &paid_);
    std::vector<Call> calls = history_.Calls();
    calls.insert(calls.end(), of_zombies_.begin(), of_zombies_.end());
    return calls;
  }
  std::string lacks() const { return server_.Lacks(); }
  size_t taken() const { return taken_; }
  size_t fallen() const { return fallen_; }
  size_t paid() const { return paid_; }
  const std::string& wrong_payment() const { return wrong_payment_; }

 private:
  void StartCallers() {
    for (size_t c = 0; c < kCallers; ++c) {
      witnesses_[c]->GoTo(c % 2 == 0 ? OverHttp(server_.http_port())
                                     : OverRedis(server_.redis_port()));
      threads_.emplace_back([this, c] {
        for (int i = 0; !witnesses_[c]->lost(); ++i) {
          callers_[c]->Step();
          if (i % 4 == 0) Nap(milliseconds(1));
        }
      });
    }
    for (const auto& payer : payers_) {
      payer->GoTo(server_.gateway_port());
      threads_.emplace_back([one = payer.get()] {
        while (one->Step()) Nap(milliseconds(2));
      });
    }
  }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  // `stood`: until it was killed.
  void StartAgain(bool stood, const char* mode) {
    fallen_ += stood ? 0 : 1;
    Join();
    history_.ServerIsGone();
    server_.Start(mode);
    finisher_->GoTo(OverRedis(server_.redis_port()));
  }

  // Owners that are stopped, and wake when others have completed.
  void RaiseZombies() {
    std::vector<std::unique_ptr<Zombie>> zombies;
    const Ports ports{server_.http_port(), server_.redis_port()};
    for (size_t i = 0; i < kAtATime; ++i) {
      zombies.push_back(std::make_unique<Zombie>(born_++, ports));
    }
    StartCallers();
    for (const auto& zombie : zombies) {
      (void)zombie->WaitUntilStopped();
      Answer told{.what = Told::kInFlight};
      while (told.what == Told::kInFlight) {
        told = finisher_->AskAndHear(ClaimOf(zombie->key(), 3'600'000));
      }
      finisher_->AskAndHear(CompleteOf(zombie->key(), told.fence, zombie->number() + 1));
    }
    for (const auto& zombie : zombies) {
      taken_ += zombie->WakeAndCountTaken();
      of_zombies_.insert(of_zombies_.end(), zombie->calls().begin(), zombie->calls().end());
    }
  }

  Tortured server_;
  CallHistory history_;
  HotKeys keys_;
  std::vector<std::unique_ptr<Witness>> witnesses_;
  std::vector<std::unique_ptr<RandomCaller>> callers_;
  std::atomic<size_t> first_payment_{0};
  std::vector<std::unique_ptr<Payer>> payers_;
  std::unique_ptr<Witness> finisher_;
  std::vector<std::thread> threads_;
  size_t born_ = 0;
  size_t taken_ = 0;   // tries of zombies that were not refused
  size_t fallen_ = 0;  // times that the server ended by itself
  std::vector<Call> of_zombies_;
  size_t paid_ = 0;
  std::string wrong_payment_;
};

std::string Text(const Planned& planned) {
  const std::string after = "after " + std::to_string(planned.pause.count()) + " ms: ";
  switch (planned.fault) {
    case Fault::kKill:
      return after + "kill -9, and start in mode " + planned.mode;
    case Fault::kFreeze:
      return after + "stop the server for " + std::to_string(planned.lasts.count()) + " ms";
    case Fault::kZombies:
      return after + "kill -9, start in mode " + planned.mode + ", and raise zombies";
    case Fault::kCut:
      return after + "cut the power, and start in mode " + planned.mode;
    case Fault::kFull:
      return after + "fill the disk for " + std::to_string(planned.lasts.count()) + " ms";
    case Fault::kClock:
      return after + "set the wall clock, off by " + planned.offset;
  }
  return "";
}

int Run(uint64_t seed, milliseconds time) {
  const auto begun = steady_clock::now();
  Torture torture(seed);
  const std::vector<Planned> plan = Plan(seed, time);
  for (const Planned& planned : plan) {
    std::printf("%s\n", Text(planned).c_str());
    std::fflush(stdout);
    torture.Suffer(planned);
  }
  const std::chrono::duration<double> took = steady_clock::now() - begun;
  const Verdict verdict = CheckHistory(torture.Finish());
  const double rate = static_cast<double>(verdict.calls) / took.count();
  if (!verdict.legal)
    std::printf("REFUSED: key %s: %s\n", verdict.key.c_str(), verdict.why.c_str());
  std::printf("%zu calls of %zu keys in %.1f s, %zu states at most; %zu tries of zombies taken\n",
              verdict.calls, verdict.keys, took.count(), verdict.states_most, torture.taken());
  std::printf(
      "%zu payments%s\n", torture.paid(),
      (torture.wrong_payment().empty() ? "" : ", REFUSED: " + torture.wrong_payment()).c_str());
  const bool good = verdict.legal && torture.taken() == 0 && torture.fallen() == 0 &&
                    torture.wrong_payment().empty();
  Tell("torture", verdict.calls, plan.size(), good ? 0 : 1, seed, torture.lacks());
  if (!good) return 1;
  if (rate >= kCallsASecondLeast) return 0;
  std::printf("void: %.0f calls a second prove nothing\n", rate);
  return 3;
}

// The number that all of `text` but `end` is.
bool Read(std::string_view text, std::string_view end, uint64_t* number) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && at == text.data() + text.size();
}

int Main(const std::vector<std::string>& args) {
  uint64_t seed = std::random_device{}();
  uint64_t seconds = 60;
  bool only_plan = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const bool more = i + 1 < args.size();
    if (args[i] == "--plan") {
      only_plan = true;
    } else if ((args[i] != "--seed" || !more || !Read(args[i + 1], "", &seed)) &&
               (args[i] != "--for" || !more || !Read(args[i + 1], "s", &seconds))) {
      std::fprintf(stderr, "usage: torture [--seed N] [--for 60s] [--plan]\n");
      return 2;
    } else {
      ++i;
    }
  }
  const std::chrono::seconds time(seconds);
  std::printf("torture --seed %llu --for %llus\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seconds));
  if (!only_plan) return Run(seed, time);
  for (const Planned& planned : Plan(seed, time)) std::printf("%s\n", Text(planned).c_str());
  return 0;
}

}  // namespace
}  // namespace onced

int main(int count, char** args) {
  try {
    return onced::Main({args + 1, args + count});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "torture: %s\n", e.what());
    return 2;
  }
}
