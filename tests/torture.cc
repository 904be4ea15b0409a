// SPDX-License-Identifier: MIT
// torture: the real program under callers by all three doors, and a plan of faults that its seed
// decides: kill -9 and a start in another durability mode, the power cut under it, the server
// stopped past leases, owners stopped past theirs, the disk filled, the wall clock set. Every
// answer is written down, and at the end the whole history is judged.
//
// Threads: the main one carries out the plan; a thread a caller.
// Invariants: the same seed makes the same plan, and the same wishes of every caller; what they are
// told depends on the moment too.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/fault_plan.h"
#include "tests/judge.h"
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
// With fewer decided calls a second than this, faults find nobody at work.
constexpr double kDecidedASecondLeast = 500;
// The same of what is paid: a tenth of what was measured on two busy processors, or less.
constexpr double kPaidASecondLeast = 5;
// Of the answers: a full disk refuses quickly.
constexpr size_t kRefusedMostIn100 = 50;
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
      case FaultKind::kFreeze:
        return Freeze(planned.lasts);
      case FaultKind::kKill:
        Kill(planned.mode);
        return StartCallers();
      case FaultKind::kCut: {
        const bool stood = server_.CutPower();
        Befell(server_.CanCutAndFill() ? FaultKind::kCut : FaultKind::kKill, stood);
        StartAgain(stood, planned.mode);
        return StartCallers();
      }
      case FaultKind::kZombies:
        Kill(planned.mode);
        return RaiseZombies();
      case FaultKind::kFull:
        return Fill(planned.lasts);
      case FaultKind::kClock:
        return Befell(FaultKind::kClock, server_.SetClock(planned.offset));
    }
  }
  // Whether this machine can do it.
  bool Can(FaultKind fault) const {
    if (fault == FaultKind::kCut || fault == FaultKind::kFull) return server_.CanCutAndFill();
    return fault != FaultKind::kClock || server_.CanSetClock();
  }
  // How often it has befallen the program, and not only been planned; and how often it had been
  // carried out, and the program did not do what it must.
  size_t befell(FaultKind fault) const { return befell_[static_cast<size_t>(fault)]; }
  size_t passed_over(FaultKind fault) const { return passed_over_[static_cast<size_t>(fault)]; }

  // All that was asked and told, and what there is at the end.
  std::vector<Call> Finish() {
    StartAgain(server_.Kill(), "sync");
    for (size_t k = 0; k < keys_.first + HotKeys::kMany; ++k) {
      finisher_->AskAndHear(FindOf("k" + std::to_string(k)));
    }
    for (size_t z = 0; z < born_; ++z) finisher_->AskAndHear(FindOf("z" + std::to_string(z)));
    wrong_payment_ = JudgePayers(payers_, server_.RunsByKey(), server_.gateway_port(), &paid_);
    asked_last_ = keys_.first + HotKeys::kMany + born_;
    std::vector<Call> calls = history_.Calls();
    calls.insert(calls.end(), of_zombies_.begin(), of_zombies_.end());
    return calls;
  }
  std::string lacks() const { return server_.Lacks(); }
  size_t taken() const { return taken_; }
  size_t fallen() const { return fallen_; }
  size_t paid() const { return paid_; }
  size_t stuck() const { return stuck_; }                        // times that writing did not go on
  milliseconds went_on_after() const { return went_on_after_; }  // a full disk, at most
  size_t asked_last() const { return asked_last_; }              // by Finish()
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
  void Befell(FaultKind fault, bool really) {
    ++(really ? befell_ : passed_over_)[static_cast<size_t>(fault)];
  }
  void Fill(milliseconds time) {
    Befell(FaultKind::kFull, server_.FillDisk());
    Nap(time);
    server_.EmptyDisk();
    // Every other time the next fault may come first.
    if (fills_++ % 2 != 0) return;
    const auto begun = steady_clock::now();
    stuck_ += server_.TakesWrites() ? 0 : 1;
    const auto took = std::chrono::ceil<milliseconds>(steady_clock::now() - begun);
    went_on_after_ = std::max(went_on_after_, took);
  }
  void Freeze(milliseconds time) {
    const bool stopped = server_.Pause();
    const auto begun = steady_clock::now();
    Nap(time);
    const bool past = steady_clock::now() - begun > milliseconds(RandomCaller::kLeaseMostMs);
    server_.GoOn();
    Befell(FaultKind::kFreeze, stopped && past);
  }
  void Kill(const char* mode) {
    const bool stood = server_.Kill();
    Befell(FaultKind::kKill, stood);
    StartAgain(stood, mode);
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
    stuck_ += server_.TakesWrites() ? 0 : 1;  // or its answer to theirs would say little
    std::vector<std::unique_ptr<Zombie>> zombies;
    const Ports ports{server_.http_port(), server_.redis_port()};
    for (size_t i = 0; i < kAtATime; ++i) {
      zombies.push_back(std::make_unique<Zombie>(born_++, ports));
    }
    StartCallers();
    for (const auto& zombie : zombies) {
      const uint64_t fence = zombie->WaitUntilStopped();
      Answer told;
      (void)Eventually([&] {
        told = finisher_->AskAndHear(ClaimOf(zombie->key(), 3'600'000));
        return told.what != Told::kInFlight && told.what != Told::kRefused;
      });
      Befell(FaultKind::kZombies, fence != 0 && told.what == Told::kClaimed);
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
  std::array<size_t, kFaults> befell_{};
  std::array<size_t, kFaults> passed_over_{};
  size_t fills_ = 0;
  size_t stuck_ = 0;
  milliseconds went_on_after_{0};
  size_t asked_last_ = 0;
  size_t paid_ = 0;
  std::string wrong_payment_;
};

// What befell is in the remark: "3 kills, 2 power cuts, 1234 payments".
std::string Remark(const Torture& torture) {
  std::string remark;
  for (size_t kind = 0; kind < kFaults; ++kind) {
    const auto fault = static_cast<FaultKind>(kind);
    remark += std::to_string(torture.befell(fault)) + " " + NameOf(fault) + ", ";
  }
  remark += std::to_string(torture.paid()) + " payments";
  if (torture.befell(FaultKind::kFull) != 0) {
    remark += ", writing again within " + std::to_string(torture.went_on_after().count()) + " ms";
  }
  return remark + (torture.lacks().empty() ? "" : "; " + torture.lacks());
}

// All that is wrong, or was not tried, a line each.
std::string Wrong(const Torture& torture, double seconds) {
  std::string wrong;
  if (torture.taken() != 0) wrong += std::to_string(torture.taken()) + " tries of zombies taken\n";
  if (torture.fallen() != 0) wrong += "it ended by itself\n";
  if (!torture.wrong_payment().empty()) wrong += torture.wrong_payment() + "\n";
  if (torture.stuck() != 0) wrong += std::to_string(torture.stuck()) + " times it took no writes\n";
  const auto paid_least = static_cast<size_t>(kPaidASecondLeast * seconds);
  if (torture.paid() < paid_least) {
    wrong += "payments: " + std::to_string(torture.paid()) + ", of at least " +
             std::to_string(paid_least) + "\n";
  }
  for (size_t kind = 0; kind < kFaults; ++kind) {
    const auto fault = static_cast<FaultKind>(kind);
    const size_t missed = torture.passed_over(fault);
    if (missed == 0 || !torture.Can(fault)) continue;
    wrong += "of its " + std::string(NameOf(fault)) + " " + std::to_string(missed) + " of " +
             std::to_string(missed + torture.befell(fault)) + " were passed over\n";
  }
  return wrong;
}

// Each life costs each caller one answer, and the last ends in Finish(); and who writes when the
// disk ends may hear that it is not known what was done.
Trial TrialOf(const Torture& torture, uint64_t seed, double seconds) {
  const size_t fulls = torture.befell(FaultKind::kFull);
  const size_t lives = 1 + torture.befell(FaultKind::kKill) + torture.befell(FaultKind::kCut);
  return {
      .callers = kCallers,
      .faults = lives + fulls,
      .seed = seed,
      .decided_least = torture.asked_last() + static_cast<size_t>(kDecidedASecondLeast * seconds),
      .refused_most_in_100 = kRefusedMostIn100,
      .unclear_most = fulls * kCallers};
}

int Run(uint64_t seed, milliseconds time) {
  const auto begun = steady_clock::now();
  Torture torture(seed);
  for (const Planned& planned : PlanFaults(seed, time)) {
    std::printf("%s\n", Text(planned).c_str());
    std::fflush(stdout);
    torture.Suffer(planned);
  }
  const std::chrono::duration<double> took = steady_clock::now() - begun;
  std::vector<Call> calls = torture.Finish();
  const Judgement judgement = Judge(std::move(calls), {}, TrialOf(torture, seed, took.count()));
  const size_t decided = judgement.verdict.decided;
  const auto at_work = static_cast<double>(decided - std::min(decided, torture.asked_last()));
  std::printf("%.0f decided calls a second in %.1f s\n", at_work / took.count(), took.count());
  const std::string wrong = judgement.wrong + Wrong(torture, took.count());
  if (!wrong.empty()) std::printf("REFUSED: %s", wrong.c_str());
  size_t faults = 0;
  for (size_t kind = 0; kind < kFaults; ++kind) {
    faults += torture.befell(static_cast<FaultKind>(kind));
  }
  Tell("torture", decided, faults, wrong.empty() ? 0 : 1, seed, Remark(torture));
  return wrong.empty() ? 0 : 1;
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
  for (const Planned& planned : PlanFaults(seed, time)) std::printf("%s\n", Text(planned).c_str());
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
