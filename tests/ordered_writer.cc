// SPDX-License-Identifier: MIT
#include "tests/ordered_writer.h"

#include <utility>

namespace onced {
namespace {

constexpr int kFirst = 4;       // names and payments
constexpr int kEachOther = 10;  // and of those after them one in so many
constexpr size_t kResultBytes = 300'000;

}  // namespace

OrderedWriter::OrderedWriter(const Program& program, std::string name, WriteSorts sorts)
    : name_(std::move(name)),
      sorts_(sorts),
      http_(program.Connect()),
      redis_(RedisPortOf(program)) {}

OrderedWriter::Sort OrderedWriter::SortOf(int number) const {
  if (sorts_ == WriteSorts::kClaims) return Sort::kClaim;
  if (number >= kFirst && number % kEachOther != 0) return Sort::kRun;
  return number % 4 < 2 ? Sort::kName : Sort::kPayment;
}

HttpAnswer OrderedWriter::Post(const std::string& target, const std::string& body,
                               const Headers& headers, const std::atomic<bool>& over) {
  HttpAnswer answer;
  do {
    answer = http_.Ask("POST", target, body, headers);
  } while (answer.Field("/code") == "overloaded" && !over);
  return answer;
}

HttpAnswer OrderedWriter::Pay(const std::string& key, const std::atomic<bool>& over) {
  return Post("/api/payments", Json("{'amount':5,'currency':'EUR'}"), {{"Idempotency-Key", key}},
              over);
}

bool OrderedWriter::Write(int number, const std::atomic<bool>& over) {
  const std::string key = name_ + std::to_string(number);
  const std::string claim = Json("{'key':'" + key + "','lease_ms':3600000}");
  switch (SortOf(number)) {
    case Sort::kName:
      return redis_.Ask(Words{"SET", key, key}) == "+OK\r\n";
    case Sort::kPayment:
      return Pay(key, over).status == 201;
    case Sort::kClaim:
      return Post("/v1/claim", claim, {}, over).status == 201;
    case Sort::kRun:
      break;
  }
  const HttpAnswer won = Post("/v1/claim", claim, {}, over);
  if (won.status != 201) return false;
  const std::string complete = Json("{'key':'" + key + "','fence':'" + won.Field("/fence") +
                                    "','result':'" + std::string(kResultBytes, 'r') + "'}");
  return Post("/v1/complete", complete, {}, over).status == 200;
}

OrderedWriter::Seen OrderedWriter::LookForRecord(const std::string& key, bool completed) {
  const HttpAnswer told = http_.Ask("GET", "/v1/keys/" + key);
  if (told.status == 404) return Seen::kAbsent;
  EXPECT_EQ(told.status, 200) << key << ": " << told.body;
  if (told.status != 200) return Seen::kNoAnswer;
  if (!completed) return Seen::kThere;
  if (told.Field("/state") != "completed") return Seen::kAbsent;
  EXPECT_EQ(told.Field("/result_bytes"), std::to_string(kResultBytes + 2)) << key;
  return Seen::kThere;
}

OrderedWriter::Seen OrderedWriter::Look(int number) {
  const std::string key = name_ + std::to_string(number);
  switch (SortOf(number)) {
    case Sort::kClaim:
      return LookForRecord(key, false);
    case Sort::kRun:
      return LookForRecord(key, true);
    case Sort::kName: {
      const std::string told = redis_.Ask(Words{"GET", key});
      if (told == "$-1\r\n") return Seen::kAbsent;
      const bool whole = told.find("\r\n" + key + "\r\n") != std::string::npos;
      EXPECT_TRUE(whole) << key << ": " << told;
      return whole ? Seen::kThere : Seen::kNoAnswer;
    }
    case Sort::kPayment: {
      const HttpAnswer told = Pay(key, false);
      EXPECT_EQ(told.status, 201) << key << ": " << told.body;
      if (told.status != 201) return Seen::kNoAnswer;
      return told.Header("Idempotent-Replayed") == "true" ? Seen::kThere : Seen::kAbsent;
    }
  }
  return Seen::kNoAnswer;
}

}  // namespace onced
