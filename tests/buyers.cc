// SPDX-License-Identifier: MIT
#include "tests/buyers.h"

#include <map>
#include <set>
#include <thread>

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int64_t kLeaseMs = 3'600'000;
constexpr size_t kAtWork = 50;  // completions, by which the service is seen to be at work
constexpr std::chrono::seconds kBackWithin{120};

int64_t NowMs() {
  const auto since = steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(since).count();
}
void Nap(milliseconds time) {
  std::this_thread::sleep_for(time);  // real time: what the service runs on lives in it
}
std::string NameOfKey(size_t key) { return "b" + std::to_string(key); }

// What was acknowledged of one key, and what became of it.
struct Acknowledged {
  std::set<uint64_t> winners;  // claims
  std::set<uint64_t> results;
  bool completed = false;
  Told last = Told::kNothing;
};

}  // namespace

void Progress::Completed(size_t key) {
  ++completed_;
  const int64_t now = NowMs();
  const int64_t last = last_ms_.exchange(now);
  const int64_t without = last == 0 ? 0 : now - last;
  int64_t longest = longest_;
  while (without > longest && !longest_.compare_exchange_weak(longest, without)) {
  }
  Seen(key);
}

bool Progress::Moves() const {
  const size_t before = completed_;
  const auto until = steady_clock::now() + kBackWithin;
  while (completed_ < before + kAtWork && steady_clock::now() < until) Nap(milliseconds(10));
  return completed_ >= before + kAtWork;
}

void Buyer::Buy() {
  for (uint64_t n = 1; !progress_->over(); ++n) {
    const size_t key = progress_->first() + n % Progress::kAtATime;
    Question claim = ClaimOf(NameOfKey(key), kLeaseMs);
    claim.claim_id = 1'000'000 * (number_ + 1) + n;
    const Answer told = AskUntilTold(claim);
    if (told.what == Told::kClaimed) {
      const Question complete = CompleteOf(NameOfKey(key), told.fence, claim.claim_id);
      if (AskUntilTold(complete).what == Told::kCompleted) progress_->Completed(key);
    } else if (told.what == Told::kReplay) {
      progress_->Seen(key);
    } else {
      Nap(milliseconds(2));
    }
  }
}

void Buyer::LookAtAll() {
  for (size_t key = 0; key < progress_->first() + Progress::kAtATime; ++key) {
    const Answer found = AskUntilTold(FindOf(NameOfKey(key)));
    // By HTTP the result is not shown there.
    if (found.what == Told::kFoundCompleted) AskUntilTold(ClaimOf(NameOfKey(key), kLeaseMs));
  }
}

Answer Buyer::AskUntilTold(const Question& question) {
  const auto until = steady_clock::now() + kBackWithin;
  for (;;) {
    const Answer told = witness_.AskAndHear(question);
    const bool decided = told.what != Told::kNothing && told.what != Told::kRefused;
    if (decided || steady_clock::now() > until) return told;
    Nap(milliseconds(20));
    if (witness_.lost() && next_ != nullptr) witness_.GoTo(next_());
  }
}

std::string JudgeBuyers(const std::vector<Call>& calls) {
  std::map<std::string, Acknowledged> keys;
  for (const Call& call : calls) {
    Acknowledged& of = keys[call.asked.key];
    if (call.told.what == Told::kClaimed) of.winners.insert(call.asked.claim_id);
    if (call.told.what == Told::kCompleted) of.results.insert(call.asked.result);
    if (call.told.what == Told::kCompleted) of.completed = true;
    if (call.told.what == Told::kReplay) of.results.insert(call.told.result);
    if (call.asked.what != Asked::kFind) continue;
    of.last = call.told.what;
  }
  std::string wrong;
  for (const auto& [key, of] : keys) {
    const bool lost = of.completed && of.last != Told::kFoundCompleted;
    const bool lost_claim = !of.winners.empty() && of.last == Told::kAbsent;
    if (of.winners.size() > 1) wrong += key + " has two winners\n";
    if (of.results.size() > 1) wrong += key + " has two results\n";
    if (lost || lost_claim) wrong += key + " is lost: " + NameOf(of.last) + "\n";
  }
  return wrong;
}

}  // namespace onced
