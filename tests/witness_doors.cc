// SPDX-License-Identifier: MIT
// A witness's ways to ask the program: the HTTP API and the Redis door.
#include <map>
#include <memory>
#include <string>

#include "tests/redis.h"
#include "tests/witness.h"

namespace onced {
namespace {

// Of what was refused before anything was done, whichever way a door puts it.
bool NothingWasDone(const std::string& heard) {
  for (const char* words : {"nothing was changed", "nothing was done", "is catching up"}) {
    if (heard.find(words) != std::string::npos) return true;
  }
  return false;
}

// By the words that both doors use. kNothing: none of these.
Told Named(const std::string& outcome) {
  static const std::map<std::string, Told> names = {
      {"claimed", Told::kClaimed},
      {"replay", Told::kReplay},
      {"conflict", Told::kConflict},
      {"in_flight", Told::kInFlight},
      {"unknown", Told::kUnknown},
      {"completed", Told::kCompleted},
      {"released", Told::kReleased},
      {"renewed", Told::kRenewed},
      {"stale", Told::kStale},
      {"stale_fence", Told::kStale},
      {"idempotency_conflict", Told::kConflict},
      {"idempotency_in_flight", Told::kInFlight},
      {"idempotency_outcome_unknown", Told::kUnknown}};
  const auto found = names.find(outcome);
  return found == names.end() ? Told::kNothing : found->second;
}
Told FoundNamed(const std::string& state) {
  return state == "in_flight"   ? Told::kFoundInFlight
         : state == "completed" ? Told::kFoundCompleted
         : state == "unknown"   ? Told::kFoundUnknown
                                : Told::kNothing;
}

class HttpDoor : public Door {
 public:
  explicit HttpDoor(uint16_t port) : port_(port), client_(port) {}
  bool CanHangUp() const override { return true; }
  void HangUp() override {
    client_.HangUp();
    client_ = Client(port_);
  }
  void Send(const Question& asked) override {
    if (asked.what == Asked::kFind) {
      client_.Send(RequestText("GET", "/v1/keys/" + asked.key));
      return;
    }
    static constexpr const char* kPaths[] = {"/v1/claim", "/v1/complete", "/v1/release",
                                             "/v1/renew"};
    client_.Send(RequestText("POST", kPaths[static_cast<size_t>(asked.what)], BodyOf(asked)));
  }
  Answer Receive(const Question& asked) override {
    const HttpAnswer heard = client_.Receive();
    lost_ = heard.status == 0;
    if (lost_) return {};
    if (asked.what == Asked::kFind) {
      if (heard.status == 404) return {.what = Told::kAbsent};
      const Told found = FoundNamed(heard.Field("/state"));
      return {.what = found, .unclear = found == Told::kNothing};
    }
    if (heard.status >= 500 && NothingWasDone(heard.body)) return {.what = Told::kRefused};
    const std::string outcome = heard.Field("/outcome");
    Answer answer{.what = Named(outcome.empty() ? heard.Field("/code") : outcome)};
    answer.unclear = answer.what == Told::kNothing;
    if (answer.what == Told::kClaimed) answer.fence = NumberIn(heard.Field("/fence"));
    if (answer.what == Told::kReplay) {
      answer.result = ResultNumber("\"" + heard.Field("/result") + "\"");
    }
    return answer;
  }
  bool HasAnswer() const override { return client_.HasInput(); }
  bool lost() const override { return lost_; }

 private:
  static std::string BodyOf(const Question& asked) {
    std::string body = "{'key':'" + asked.key + "'";
    if (asked.what == Asked::kClaim) {
      body += ",'fingerprint':'" + TextOf(asked.fingerprint) +
              "','retention_ms':" + std::to_string(asked.retention_ms);
      if (asked.claim_id != 0) body += ",'claim_id':'" + TextOf(asked.claim_id) + "'";
      if (asked.wait_ms != 0) body += ",'wait_ms':" + std::to_string(asked.wait_ms);
      if (asked.unknown_on_lapse) body += ",'on_lapse':'unknown'";
    } else {
      body += ",'fence':'" + std::to_string(asked.fence) + "'";
    }
    if (asked.lease_ms != 0) body += ",'lease_ms':" + std::to_string(asked.lease_ms);
    body = Json(body);
    if (asked.what == Asked::kComplete) body += ",\"result\":" + ResultText(asked.result);
    return body + "}";
  }
  const uint16_t port_;
  Client client_;
  bool lost_ = false;
};

class RedisDoor : public Door {
 public:
  explicit RedisDoor(uint16_t port) : client_(port) {}
  void Send(const Question& asked) override {
    const std::string fence = std::to_string(asked.fence);
    const std::string lease = std::to_string(asked.lease_ms);
    switch (asked.what) {
      case Asked::kClaim:
        client_.Send({"ONCED.CLAIM", asked.key, "FINGERPRINT", TextOf(asked.fingerprint), "ID",
                      TextOf(asked.claim_id), "LEASE", lease, "RETENTION",
                      std::to_string(asked.retention_ms), "ONLAPSE",
                      asked.unknown_on_lapse ? "unknown" : "retry"});
        return;
      case Asked::kComplete:
        client_.Send({"ONCED.COMPLETE", asked.key, fence, ResultText(asked.result)});
        return;
      case Asked::kRelease:
        client_.Send({"ONCED.RELEASE", asked.key, fence});
        return;
      case Asked::kRenew:
        client_.Send({"ONCED.RENEW", asked.key, fence, "LEASE", lease});
        return;
      case Asked::kFind:
        client_.Send({"ONCED.GET", asked.key});
        return;
    }
  }
  Answer Receive(const Question& asked) override {
    const std::string heard = client_.Receive();
    lost_ = ReplySize(heard) == 0;
    if (lost_) return {};
    if (heard == "$-1\r\n" && asked.what == Asked::kFind) return {.what = Told::kAbsent};
    if (heard.starts_with('-') && NothingWasDone(heard)) return {.what = Told::kRefused};
    const bool find = asked.what == Asked::kFind;
    Answer answer{.what = find ? FoundNamed(FieldOf(heard, "state"))
                               : Named(FieldOf(heard, "outcome"))};
    answer.unclear = answer.what == Told::kNothing;
    if (find || answer.what == Told::kClaimed) answer.fence = NumberIn(FieldOf(heard, "fence"));
    if (answer.what == Told::kReplay || answer.what == Told::kFoundCompleted) {
      answer.result = ResultNumber(FieldOf(heard, "result"));
    }
    return answer;
  }
  bool lost() const override { return lost_; }

 private:
  RespClient client_;
  bool lost_ = false;
};

}  // namespace

std::unique_ptr<Door> OverHttp(uint16_t port) { return std::make_unique<HttpDoor>(port); }
std::unique_ptr<Door> OverRedis(uint16_t port) { return std::make_unique<RedisDoor>(port); }

}  // namespace onced
