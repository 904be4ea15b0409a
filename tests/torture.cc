// SPDX-License-Identifier: MIT
// torture: the real program under callers by both doors, and a plan of faults that its seed
// decides: kill -9 and a start in another durability mode, the server stopped past leases, owners
// stopped past theirs. Every answer is written down, and at the end the whole history is judged.
//
// Threads: the main one carries out the plan; a thread a caller.
// Invariants: the same seed makes the same plan, and the same wishes of every caller; what they are
// told depends on the moment too.
#include <signal.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/linearizability.h"
#include "tests/proof.h"
#include "tests/redis.h"
#include "tests/witness.h"
#include "tests/zombie.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kCallers = 8;
constexpr size_t kAtATime = 8;  // at a time
// With fewer calls a second than this, faults find nobody at work.
constexpr double kCallsASecondLeast = 500;
constexpr const char* kModes[] = {"sync", "interval", "os"};

enum class Fault { kKill, kFreeze, kZombies };

struct Planned {
  milliseconds pause;  // before it
  Fault fault;
  milliseconds freeze;
  const char* mode;  // after a kill
};

std::vector<Planned> Plan(uint64_t seed, milliseconds time) {
  std::mt19937_64 random(seed);
  std::vector<Planned> plan;
  for (milliseconds at{0}; at < time;) {
    Planned next{.pause = milliseconds(50 + random() % 1'500),
                 .fault = static_cast<Fault>(random() % 3),
                 .freeze = milliseconds(50 + random() % 600),
                 .mode = kModes[random() % 3]};
    at += next.pause + (next.fault == Fault::kFreeze ? next.freeze : milliseconds(200));
    plan.push_back(next);
  }
  return plan;
}

void Nap(milliseconds time) {
  std::this_thread::sleep_for(time);  // real time: the program under test lives in it
}

class Torture {
 public:
  explicit Torture(uint64_t seed) : here_({"--durability", "sync"}) {
    for (size_t c = 0; c < kCallers; ++c) {
      witnesses_.push_back(std::make_unique<Witness>(history_.NewRecorder(), nullptr));
      callers_.push_back(std::make_unique<RandomCaller>(witnesses_[c].get(), &keys_, seed + c));
    }
    finisher_ = std::make_unique<Witness>(history_.NewRecorder(), nullptr);
    StartCallers();
  }

  void Suffer(const Planned& planned) {
    Nap(planned.pause);
    switch (planned.fault) {
      case Fault::kFreeze:
        here_.program->Signal(SIGSTOP);
        Nap(planned.freeze);
        here_.program->Signal(SIGCONT);
        return;
      case Fault::kKill:
        Kill(planned.mode);
        return StartCallers();
      case Fault::kZombies:
        Kill(planned.mode);
        return RaiseZombies();
    }
  }

  // All that was asked and told, and what there is at the end.
  std::vector<Call> Finish() {
    Kill("sync");
    finisher_->GoTo(OverRedis(here_.port));
    for (size_t k = 0; k < keys_.first + HotKeys::kMany; ++k) {
      finisher_->AskAndHear(FindOf("k" + std::to_string(k)));
    }
    for (size_t z = 0; z < born_; ++z) finisher_->AskAndHear(FindOf("z" + std::to_string(z)));
    std::vector<Call> calls = history_.Calls();
    calls.insert(calls.end(), of_zombies_.begin(), of_zombies_.end());
    return calls;
  }
  size_t taken() const { return taken_; }
  size_t fallen() const { return fallen_; }

 private:
  void StartCallers() {
    finisher_->GoTo(OverRedis(here_.port));
    for (size_t c = 0; c < kCallers; ++c) {
      witnesses_[c]->GoTo(c % 2 == 0 ? OverHttp(here_.program->port()) : OverRedis(here_.port));
      threads_.emplace_back([this, c] {
        for (int i = 0; !witnesses_[c]->lost(); ++i) {
          callers_[c]->Step();
          if (i % 4 == 0) Nap(milliseconds(1));
        }
      });
    }
  }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  void Kill(const char* mode) {
    here_.program->Signal(SIGKILL);
    const Ended ended = here_.program->WaitForEnd();
    if (ended.code != -SIGKILL) {
      ++fallen_;
      std::printf("it had ended by itself (%d): %s\n", ended.code, ended.err.c_str());
    }
    Join();
    history_.ServerIsGone();
    here_.flags.back() = mode;
    here_.StartAgain();
  }

  // Owners that are stopped, and wake when others have completed.
  void RaiseZombies() {
    std::vector<std::unique_ptr<Zombie>> zombies;
    const Ports ports{here_.program->port(), here_.port};
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

  RedisInAFolder here_;
  CallHistory history_;
  HotKeys keys_;
  std::vector<std::unique_ptr<Witness>> witnesses_;
  std::vector<std::unique_ptr<RandomCaller>> callers_;
  std::unique_ptr<Witness> finisher_;
  std::vector<std::thread> threads_;
  size_t born_ = 0;
  size_t taken_ = 0;   // tries of zombies that were not refused
  size_t fallen_ = 0;  // times that the server ended by itself
  std::vector<Call> of_zombies_;
};

std::string Text(const Planned& planned) {
  const std::string after = "after " + std::to_string(planned.pause.count()) + " ms: ";
  switch (planned.fault) {
    case Fault::kKill:
      return after + "kill -9, and start in mode " + planned.mode;
    case Fault::kFreeze:
      return after + "stop the server for " + std::to_string(planned.freeze.count()) + " ms";
    case Fault::kZombies:
      return after + "kill -9, start in mode " + planned.mode + ", and raise zombies";
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
  const bool good = verdict.legal && torture.taken() == 0 && torture.fallen() == 0;
  Tell("torture", verdict.calls, plan.size(), good ? 0 : 1, seed);
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
