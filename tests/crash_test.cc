// SPDX-License-Identifier: MIT
// kill -9 at random moments under load, and start again: nothing that was answered, or shown, is
// lost in any durability mode; fences rise over every restart; the owner of a live claim completes.
//
// Eight clients claim, complete and look, each noting what it was told, until the one that gets the
// n-th answer pulls the plug. The next round opens the same folder in the next mode, holds what it
// finds against the notes, and against some of those of earlier rounds, and goes on.
// ONCED_KILLS=<n>: how often; ONCED_SEED=<seed> repeats the run.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/program.h"
#include "tests/proof.h"

namespace onced {
namespace {

constexpr int kClients = 8;
constexpr size_t kLookedFor = 250;  // keys of earlier rounds, after each kill
constexpr int kAnswersMax = 1'200;  // of one round, before the kill

// What one client knows of one key.
struct Note {
  std::string key;
  uint64_t fence = 0;      // of the claim it was answered
  std::string result;      // that it has sent, if any
  bool completed = false;  // was answered
};

// What a client was shown of somebody else's key.
struct Sight {
  std::string key;
  bool completed;
};

struct Notes {
  std::vector<Note> own;
  std::vector<Sight> seen;
};

std::string ResultOf(std::mt19937_64& random) {
  return "\"" + std::string(random() % 300, static_cast<char>('a' + random() % 26)) + "\"";
}

std::string CompleteBody(const Note& note) {
  return Json("{'key':'" + note.key + "','fence':'" + std::to_string(note.fence) + "','result':") +
         note.result + "}";
}

class Load {
 public:
  Load(const Program& program, int round, int answers, uint64_t seed)
      : program_(program), round_(round), answers_left_(answers), seed_(seed) {}

  // Until the program is gone.
  std::vector<Notes> Run() {
    std::vector<Notes> notes(kClients);
    std::vector<std::thread> clients;
    for (int c = 0; c < kClients; ++c) {
      clients.emplace_back([this, c, &notes] { RunClient(c, &notes[static_cast<size_t>(c)]); });
    }
    for (std::thread& client : clients) client.join();
    return notes;
  }

 private:
  std::string KeyOf(int client, uint64_t number) const {
    return "r" + std::to_string(round_) + "-c" + std::to_string(client) + "-" +
           std::to_string(number);
  }

  // False when there was no answer: whether it was done is unknown.
  bool Answered(const HttpAnswer& answer) {
    if (answer.status == 0) return false;
    if (--answers_left_ == 0) program_.Signal(SIGKILL);
    return true;
  }

  void RunClient(int number, Notes* notes) {
    std::mt19937_64 random(seed_ + static_cast<uint64_t>(number));
    Client client = program_.Connect();
    for (uint64_t i = 0;; ++i) {
      Note note{.key = KeyOf(number, i)};
      const HttpAnswer won =
          client.Ask("POST", "/v1/claim", Json("{'key':'" + note.key + "','lease_ms':3600000}"));
      if (!Answered(won)) return;
      EXPECT_EQ(won.status, 201) << won.body;
      note.fence = std::stoull(won.Field("/fence"));
      notes->own.push_back(note);
      if (random() % 4 != 0) {
        Note& mine = notes->own.back();
        mine.result = ResultOf(random);
        const HttpAnswer done = client.Ask("POST", "/v1/complete", CompleteBody(mine));
        if (!Answered(done)) return;
        EXPECT_EQ(done.status, 200) << done.body;
        mine.completed = true;
      }
      if (random() % 2 != 0) continue;
      // The neighbour is at about the same number: what it has in hand right now.
      const Sight wanted{.key = KeyOf((number + 1) % kClients, i), .completed = false};
      const HttpAnswer shown = client.Ask("GET", "/v1/keys/" + wanted.key);
      if (!Answered(shown)) return;
      if (shown.status != 200) continue;
      notes->seen.push_back({.key = wanted.key, .completed = shown.Field("/state") == "completed"});
    }
  }

  const Program& program_;
  const int round_;
  std::atomic<int> answers_left_;
  const uint64_t seed_;
};

uint64_t NewestFence(const std::vector<Notes>& all) {
  uint64_t newest = 0;
  for (const Notes& notes : all) {
    for (const Note& note : notes.own) newest = std::max(newest, note.fence);
  }
  return newest;
}
uint64_t OldestFence(const std::vector<Notes>& all) {
  uint64_t oldest = UINT64_MAX;
  for (const Notes& notes : all) {
    for (const Note& note : notes.own) oldest = std::min(oldest, note.fence);
  }
  return oldest;
}

// Holds what is there against what was told. A claim that is still open is completed when its fence
// is odd.
void ExpectKept(Client& client, Note* note) {
  const HttpAnswer found = client.Ask("GET", "/v1/keys/" + note->key);
  ASSERT_EQ(found.status, 200) << "lost: the claim of " << note->key << found.body;
  const bool completed = found.Field("/state") == "completed";
  ASSERT_TRUE(completed || !note->completed) << "lost: the completion of " << note->key;
  if (completed) {
    ASSERT_NE(note->result, "") << note->key << " was never completed";
    ASSERT_EQ(client.Ask("GET", "/v1/keys/" + note->key + "/result").body, note->result);
    note->completed = true;  // that was shown now
    return;
  }
  ASSERT_EQ(found.Field("/state"), "in_flight");
  const HttpAnswer history = client.Ask("GET", "/v1/keys/" + note->key + "/history");
  ASSERT_EQ(history.Field("/events/0/fence"), std::to_string(note->fence)) << history.body;
  if (note->fence % 2 == 0) return;
  note->result = "\"after the crash\"";
  // One that is killed several times a second never gets to its compactions, and may say 503: its
  // owner asks again. (Seen at the 816th kill within three minutes.)
  HttpAnswer completed_now;
  EXPECT_TRUE(Eventually([&] {
    completed_now = client.Ask("POST", "/v1/complete", CompleteBody(*note));
    return completed_now.Field("/code") != "overloaded";
  }));
  ASSERT_EQ(completed_now.status, 200)
      << "its owner cannot complete " << note->key << completed_now.body;
  note->completed = true;
}
void ExpectNothingLost(Client& client, std::vector<Notes>& all) {
  for (Notes& notes : all) {
    for (Note& note : notes.own) ASSERT_NO_FATAL_FAILURE(ExpectKept(client, &note));
    for (const Sight& sight : notes.seen) {
      const HttpAnswer found = client.Ask("GET", "/v1/keys/" + sight.key);
      ASSERT_EQ(found.status, 200) << "lost: " << sight.key << ", which was shown";
      ASSERT_TRUE(found.Field("/state") == "completed" || !sight.completed) << sight.key;
    }
  }
}

// What was promised in rounds before the last: a fair sample of it, and some of that looked for
// after every kill.
class Memory {
 public:
  explicit Memory(uint64_t seed) : random_(seed) {}

  void Keep(std::vector<Notes>& all) {
    for (Notes& notes : all) {
      for (Note& note : notes.own) {
        const size_t at = offered_ < kKeptMost ? offered_ : random_() % (offered_ + 1);
        ++offered_;
        if (at == kept_.size()) kept_.emplace_back();
        if (at < kept_.size()) kept_[at] = std::move(note);
      }
    }
  }
  // `count` of them, each another; fewer when there are no more.
  void ExpectKeptOf(Client& client, size_t count) {
    count = std::min(count, kept_.size());
    for (size_t i = 0; i < count; ++i, ++looked_for_) {
      std::swap(kept_[i], kept_[i + random_() % (kept_.size() - i)]);
      ASSERT_NO_FATAL_FAILURE(ExpectKept(client, &kept_[i])) << "of an earlier round";
    }
  }
  size_t kept() const { return kept_.size(); }
  size_t looked_for() const { return looked_for_; }

 private:
  static constexpr size_t kKeptMost = 10'000;
  std::mt19937_64 random_;
  std::vector<Note> kept_;
  size_t offered_ = 0;
  size_t looked_for_ = 0;
};

TEST(Crash, LosesNothingThatWasAnsweredInAnyMode) {
  Proof proof("kills", "ONCED_KILLS", 30);
  const uint64_t seed = proof.seed();
  std::mt19937_64 random(seed);
  const TempFolder folder;
  const char* const modes[] = {"sync", "interval", "os"};
  std::vector<Notes> notes;
  Memory memory(random());
  uint64_t newest_fence = 0;
  size_t told = 0;
  for (int round = 0;; ++round) {
    Program program(folder.path(), {"--durability", modes[round % 3]});
    Client client = program.Connect();
    const bool last = proof.count == proof.rounds();
    const size_t looked_for = memory.looked_for();
    ExpectNothingLost(client, notes);
    memory.ExpectKeptOf(client, last ? memory.kept() : kLookedFor);
    ASSERT_FALSE(HasFatalFailure()) << "in round " << round << " of seed " << seed;
    EXPECT_GE(memory.looked_for() - looked_for, std::min(memory.kept(), kLookedFor));
    if (last) break;
    memory.Keep(notes);
    const int answers = 1 + static_cast<int>(random() % kAnswersMax);
    notes = Load(program, round, answers, random()).Run();
    const Ended ended = program.WaitForEnd();
    EXPECT_EQ(ended.code, -SIGKILL) << ended.err;
    EXPECT_GT(OldestFence(notes), newest_fence) << "in round " << round;
    newest_fence = std::max(newest_fence, NewestFence(notes));
    for (const Notes& client_notes : notes) told += client_notes.own.size();
    ++proof.count;
    ++proof.faults;
  }
  proof.remark = std::to_string(told) + " claims, " + std::to_string(memory.looked_for()) +
                 " of earlier rounds looked for again";
}

}  // namespace
}  // namespace onced
