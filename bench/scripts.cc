// SPDX-License-Identifier: MIT
#include "bench/scripts.h"

#include <openssl/evp.h>

#include <algorithm>
#include <utility>

#include "bench/child.h"
#include "bench/resp_client.h"

namespace onced::bench {
namespace {

constexpr int64_t kApart = 16;
constexpr char kResult[] = "{\"paid\":true,\"amount\":100,\"currency\":\"EUR\",\"to\":\"DE02\"}";
constexpr char kSeconds[] = "86400";  // that it is kept

[[noreturn]] void Unexpected(const Answer& answer) {
  Fail("unexpected answer: " + std::string(answer.head) + std::string(answer.body));
}

std::string Post(const std::string& path, const std::string& fields, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string Get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

class Posting : public PayingScript {
 public:
  Posting(RunKeys keys, std::string path, bool marks_replays)
      : PayingScript(std::move(keys), marks_replays), path_(std::move(path)) {}

  std::string Begin(int64_t operation) override {
    const std::string key = KeyOf(operation);
    return Post(path_, "Idempotency-Key: " + key + "\r\n",
                R"({"amount":100,"currency":"EUR","reference":")" + key + "\"}");
  }
  std::string GoOn(int64_t operation, int /*step*/, const Answer& answer) override {
    if (answer.status == 409) {
      Refused();
    } else if (answer.status != 200 && answer.status != 201) {
      Unexpected(answer);
    } else if (!tells_winners()) {
      Replayed();
    } else if (Has(answer.head, "\r\nIdempotent-Replayed: true\r\n")) {
      Replayed();
    } else {
      Won(operation);
    }
    return "";
  }

 private:
  const std::string path_;
};

class Claiming : public PayingScript {
 public:
  Claiming(RunKeys keys, int64_t retention_ms) : PayingScript(std::move(keys)) {
    rest_.append(64, 'f').append("\"");
    if (retention_ms > 0) {
      rest_.append(",\"retention_ms\":").append(std::to_string(retention_ms));
    }
    rest_.append("}");
  }

  std::string Begin(int64_t operation) override {
    return Post("/v1/claim", "", R"({"scope":"bench","key":")" + KeyOf(operation) + rest_);
  }
  std::string GoOn(int64_t operation, int step, const Answer& answer) override {
    if (step == 1) {
      if (answer.status != 200 || !Has(answer.body, "\"completed\"")) Unexpected(answer);
      return "";
    }
    if (answer.status == 200 && Has(answer.body, "\"replay\"")) {
      Replayed();
      return "";
    }
    if (answer.status == 409) {
      Refused();
      return "";
    }
    constexpr std::string_view kFence = "\"fence\":\"";
    const size_t at = answer.body.find(kFence);
    if (answer.status != 201 || at == std::string_view::npos) Unexpected(answer);
    Won(operation);
    const std::string_view rest = answer.body.substr(at + kFence.size());
    return Post("/v1/complete", "",
                R"({"scope":"bench","key":")" + KeyOf(operation) + R"(","fence":")" +
                    std::string(rest.substr(0, rest.find('"'))) + R"(","result":)" + kResult + "}");
  }

 private:
  std::string rest_ = R"(","fingerprint":")";  // of a claim, behind its key
};

// What Redis stores under a key until the result is there.
constexpr char kPending[] = "pending";

class Setting : public PayingScript {
 public:
  using PayingScript::PayingScript;

  std::string Begin(int64_t operation) override {
    return Resp({"SET", KeyOf(operation), kPending, "NX", "GET", "EX", kSeconds});
  }
  std::string GoOn(int64_t operation, int step, const Answer& answer) override {
    if (step == 1) {
      if (answer.body != "+OK\r\n") Unexpected(answer);
    } else if (answer.body == "$-1\r\n") {
      Won(operation);
      return Resp({"SET", KeyOf(operation), kResult, "EX", kSeconds});
    } else if (Has(answer.body, kPending)) {
      Refused();
    } else if (Has(answer.body, kResult)) {
      Replayed();
    } else {
      Unexpected(answer);
    }
    return "";
  }
};

class WebdisSetting : public PayingScript {
 public:
  using PayingScript::PayingScript;

  std::string Begin(int64_t operation) override {
    return Get("/SET/" + KeyOf(operation) + "/" + kPending + "/NX/GET/EX/" + kSeconds);
  }
  std::string GoOn(int64_t operation, int step, const Answer& answer) override {
    if (answer.status != 200) Unexpected(answer);
    if (step == 1) {
      if (answer.body != "{\"SET\":[true,\"OK\"]}") Unexpected(answer);
    } else if (answer.body == "{\"SET\":null}") {
      Won(operation);
      return Get("/SET/" + KeyOf(operation) + "/" + kPaid + "/EX/" + kSeconds);
    } else if (Has(answer.body, kPending)) {
      Refused();
    } else if (Has(answer.body, "paid-100-EUR")) {
      Replayed();
    } else {
      Unexpected(answer);
    }
    return "";
  }

 private:
  static constexpr char kPaid[] = "paid-100-EUR-to-DE02-with-as-many-bytes-as-the-others-result";
};

std::string Base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

class EtcdTransaction : public PayingScript {
 public:
  using PayingScript::PayingScript;

  std::string Begin(int64_t operation) override {
    const std::string key = "\"key\":\"" + Base64(KeyOf(operation)) + "\"";
    return Post("/v3/kv/txn", "",
                "{\"compare\":[{\"target\":\"CREATE\",\"create_revision\":\"0\"," + key +
                    "}],\"success\":[{\"request_put\":{" + key + ",\"value\":\"" +
                    Base64(kPending) + "\"}}],\"failure\":[{\"request_range\":{" + key + "}}]}");
  }
  std::string GoOn(int64_t operation, int step, const Answer& answer) override {
    if (answer.status != 200) Unexpected(answer);
    if (step == 1) return "";
    if (Has(answer.body, "\"succeeded\":true")) {
      Won(operation);
      return Post(
          "/v3/kv/put", "",
          "{\"key\":\"" + Base64(KeyOf(operation)) + "\",\"value\":\"" + Base64(kResult) + "\"}");
    }
    if (Has(answer.body, "\"value\":\"" + Base64(kPending))) {
      Refused();
    } else if (Has(answer.body, "\"value\":\"" + Base64(kResult))) {
      Replayed();
    } else {
      Unexpected(answer);
    }
    return "";
  }
};

class Nothing : public PayingScript {
 public:
  Nothing(RunKeys keys, const std::string& path)
      : PayingScript(std::move(keys), /*tells_winners=*/false),
        request_(Post(path, "", std::string(100, 'x'))) {}

  std::string Begin(int64_t /*operation*/) override { return request_; }
  std::string GoOn(int64_t /*operation*/, int /*step*/, const Answer& answer) override {
    if (answer.status != 200) Unexpected(answer);
    Replayed();
    return "";
  }

 private:
  const std::string request_;
};

}  // namespace

int64_t RunKeys::NumberOf(int64_t operation) const {
  const int64_t block = operation / (kApart * times);
  return block * kApart + operation % kApart;
}

int64_t RunKeys::Distinct(int64_t operations) const {
  const int64_t blocks = operations / (kApart * times);
  return blocks * kApart + std::min(operations % (kApart * times), kApart);
}

std::string RunKeys::KeyOf(int64_t operation) const {
  return bench::KeyOf(prefix + "-", NumberOf(operation));
}

void PayingScript::Won(int64_t operation) {
  const auto number = static_cast<size_t>(keys_.NumberOf(operation));
  if (number >= winners_.size()) winners_.resize(2 * number + 1024);
  if (winners_[number]) ++won_again_;
  winners_[number] = true;
  ++won_;
}

std::unique_ptr<PayingScript> PostScript(RunKeys keys, std::string path, bool marks_replays) {
  return std::make_unique<Posting>(std::move(keys), std::move(path), marks_replays);
}
std::unique_ptr<PayingScript> ClaimScript(RunKeys keys, int64_t retention_ms) {
  return std::make_unique<Claiming>(std::move(keys), retention_ms);
}
std::unique_ptr<PayingScript> RedisScript(RunKeys keys) {
  return std::make_unique<Setting>(std::move(keys));
}
std::unique_ptr<PayingScript> WebdisScript(RunKeys keys) {
  return std::make_unique<WebdisSetting>(std::move(keys));
}
std::unique_ptr<PayingScript> EtcdScript(RunKeys keys) {
  return std::make_unique<EtcdTransaction>(std::move(keys));
}
std::unique_ptr<PayingScript> CeilingScript(RunKeys keys, std::string path) {
  return std::make_unique<Nothing>(std::move(keys), path);
}

}  // namespace onced::bench
