// SPDX-License-Identifier: MIT
// How a client's bytes are cut into packets changes nothing: every request split at every byte gets
// the same answers, and a thousand in one piece are answered in order.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/door_in_process.h"
#include "tests/program.h"

namespace onced {
namespace {

constexpr char kChunked[] =
    "POST /v1/claim HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    "8\r\n{\"key\":\"\r\n00B\r\na\",\"scope\":\r\n4\r\n\"s\"}\r\n0\r\n\r\n";

struct Said {
  std::string name;
  int status;  // of the first answer
  std::string bytes;
  size_t answers = 1;
};

std::vector<Said> Requests() {
  const std::string claim = RequestText(
      "POST", "/v1/claim", Json("{'key':'a','fingerprint':'f','lease_ms':5000,'holder':'h'}"));
  const std::string complete =
      RequestText("POST", "/v1/complete", Json("{'key':'b','result':{'text':'GET / HTTP/1.1'}}"));
  return {
      {"claim", 201, claim},
      {"complete", 200, complete},
      {"find with a query", 200, RequestText("GET", "/v1/keys/kept?scope=default")},
      {"chunked", 201, kChunked},
      {"payment that is none", 400,
       RequestText("POST", "/api/payments", Json("{'amount':5}"), {{"Idempotency-Key", "\"k\""}})},
      {"a pair", 200, complete + RequestText("GET", "/v1/keys/b/result"), 2},
      {"three, one with a body that nobody reads", 200,
       RequestText("GET", "/livez", "GET /readyz HTTP/1.1\r\n\r\n") + kChunked +
           RequestText("DELETE", "/v1/keys/none"),
       3},
      {"an empty line first", 200, "\r\n" + RequestText("GET", "/livez")},
      {"old version", 200, "GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"},
      {"two lengths", 400, RequestText("POST", "/v1/claim", "{}", {{"Content-Length", "2"}})},
      {"a bad chunk", 400,
       std::string(kChunked).replace(std::string_view(kChunked).find("00B"), 3, "-0B")},
      {"a folded line", 400, "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b\r\n c\r\n\r\n"},
  };
}

// What differs from run to run: the fence.
std::string WithoutFence(std::string body) {
  constexpr std::string_view kFence = "\"fence\":\"";
  const size_t at = body.find(kFence);
  if (at == std::string::npos) return body;
  const size_t from = at + kFence.size();
  return body.replace(from, body.find('"', from) - from, "");
}

class Split : public testing::Test {
 protected:
  Split() {
    const Key kept = K("kept");
    Must(StatusOf(door.ledger.Claim(kept, AClaim())));
  }
  // The answers to `bytes`, sent in two pieces that are read apart, from the same state each time.
  std::string Answers(const Said& said, size_t cut) {
    for (const Key& key : {K("a"), K("b"), K("a", "s")}) {
      Must(StatusOf(door.ledger.Forget(key, {.force = true})));
    }
    Client client(door.listener->port());
    client.Send(said.bytes.substr(0, cut));
    if (cut < said.bytes.size()) {
      EXPECT_EQ(other.Ask("GET", "/livez").status, 200);
      client.Send(said.bytes.substr(cut));
    }
    std::string all;
    for (size_t i = 0; i < said.answers; ++i) {
      const HttpAnswer answer = client.Receive();
      all += std::to_string(answer.status) + "\n";
      for (const auto& [name, value] : answer.headers) {
        // Each request has an id of its own.
        all += name + ": " + (name == "X-Request-Id" ? "(one)" : value) + "\n";
      }
      all += WithoutFence(answer.body) + "\n\n";
    }
    EXPECT_FALSE(client.HasInput() && !client.SeesEnd()) << "an answer too many";
    return all;
  }

  DoorInProcess door;
  Client other{door.listener->port()};
};

TEST_F(Split, ChangesNoAnswerWhereverItIs) {
  for (const Said& said : Requests()) {
    SCOPED_TRACE(said.name);
    const std::string whole = Answers(said, said.bytes.size());
    ASSERT_EQ(whole.substr(0, 3), std::to_string(said.status)) << whole;
    for (size_t cut = 1; cut < said.bytes.size(); ++cut) {
      ASSERT_EQ(Answers(said, cut), whole) << "cut at " << cut << ": " << said.bytes;
    }
  }
}

TEST_F(Split, IntoSingleBytesChangesNoAnswer) {
  const std::string bytes = kChunked + RequestText("GET", "/v1/keys/a?scope=s");
  Client client(door.listener->port());
  for (const char byte : bytes) {
    client.Send(std::string_view(&byte, 1));
    EXPECT_EQ(other.Ask("GET", "/livez").status, 200);
  }
  EXPECT_EQ(client.Receive().status, 201);
  EXPECT_EQ(client.Receive().Field("/state"), "in_flight");
}

TEST(Pipeline, OfAThousandInOnePieceIsAnsweredInOrderAndLosesNone) {
  const DoorInProcess door;
  constexpr size_t kRequests = 1'000;
  std::string all;
  for (size_t i = 0; i < kRequests; ++i) {
    const std::string key = "k" + std::to_string(i / 2);
    all += i % 2 == 0 ? RequestText("POST", "/v1/claim", "{\"key\":\"" + key + "\"}")
                      : RequestText("GET", "/v1/keys/" + key);
  }
  Client client(door.listener->port());
  ASSERT_TRUE(client.Send(all));
  for (size_t i = 0; i < kRequests; ++i) {
    const HttpAnswer answer = client.Receive();
    if (i % 2 == 0) {
      ASSERT_EQ(answer.status, 201) << i << ": " << answer.body;
    } else {
      ASSERT_EQ(answer.Field("/key"), "k" + std::to_string(i / 2));
    }
  }
  EXPECT_FALSE(client.HasInput());
}

}  // namespace
}  // namespace onced
