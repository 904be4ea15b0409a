// SPDX-License-Identifier: MIT
// The gateway under load: bodies larger than its memory, and crowds of clients that do what clients
// do when they hear nothing: send it again.
#include <gtest/gtest.h>

#include <atomic>
#include <charconv>
#include <string>
#include <thread>
#include <vector>

#include "tests/gateway.h"

namespace onced {
namespace {

constexpr uint64_t kHuge = uint64_t{200} << 20;

#ifdef ONCED_UNDER_ASAN
constexpr uint64_t kResidentMaxKiB = 1024 << 10;  // it keeps what was freed
#else
constexpr uint64_t kResidentMaxKiB = 150 << 10;
#endif

// The most there ever was.
uint64_t ResidentKiB(const Program& program) {
  const std::string status = ReadFile("/proc/" + std::to_string(program.pid()) + "/status");
  const size_t at = status.find("VmHWM:");
  uint64_t kib = 0;
  if (at == std::string::npos) return kib;
  const size_t digits = status.find_first_of("0123456789", at);
  std::from_chars(status.data() + digits, status.data() + status.size(), kib);
  return kib;
}

// Reads what comes and keeps only its beginning. How many bytes that was, up to `wanted`.
uint64_t Swallow(Client* client, uint64_t wanted, std::string* begin) {
  uint64_t count = 0;
  while (count < wanted) {
    const std::string some = client->ReceiveSome();
    if (some.empty()) break;
    if (count == 0) *begin = some;
    count += some.size();
  }
  return count;
}

TEST(GatewayLoad, ALargeAnswerPassesInConstantMemory) {
  GatewayInAFolder here;
  here.upstream.On(
      "/file", Script()
                   .Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kHuge) + "\r\n\r\n")
                   .SendTimes(kHuge >> 20, std::string(1 << 20, 'x')));
  for (const std::string& method : std::vector<std::string>{"GET", "POST"}) {
    Client client = here.Connect();
    std::string begin;
    const Headers key = Keyed(method == "POST" ? "k" : "");
    ASSERT_TRUE(client.Send(RequestText(method, "/file", "", key)));
    EXPECT_GE(Swallow(&client, kHuge, &begin), kHuge) << begin.substr(0, 300);
    EXPECT_TRUE(begin.starts_with("HTTP/1.1 200 ")) << begin.substr(0, 300);
  }
  EXPECT_LT(ResidentKiB(*here.program), kResidentMaxKiB);
}

TEST(GatewayLoad, ALargeRequestPassesInConstantMemory) {
  GatewayInAFolder here;
  const std::string piece(1 << 20, 'x');
  for (const bool chunked : {false, true}) {
    SCOPED_TRACE(chunked);
    Client client = here.Connect();
    const std::string framing =
        chunked ? "Transfer-Encoding: chunked" : "Content-Length: " + std::to_string(kHuge);
    ASSERT_TRUE(client.Send("POST /file HTTP/1.1\r\nHost: a\r\n" + framing + "\r\n\r\n"));
    for (uint64_t sent = 0; sent < kHuge; sent += piece.size()) {
      ASSERT_TRUE(client.Send(chunked ? "100000\r\n" + piece + "\r\n" : piece));
    }
    ASSERT_TRUE(client.Send(chunked ? "0\r\n\r\n" : ""));
    const HttpAnswer answer = client.Receive();
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(here.upstream.last().body_bytes, kHuge);
  }
  EXPECT_LT(ResidentKiB(*here.program), kResidentMaxKiB);
}

// A client that goes away stops what was only passing.
TEST(GatewayLoad, AHugeAnswerStopsWhenItsClientHasGone) {
  GatewayInAFolder here;
  here.upstream.On(
      "/file",
      Script()
          .Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kHuge * 1'000) + "\r\n\r\n")
          .SendTimes(kHuge, std::string(1'000, 'x')));
  {
    Client client = here.Connect();
    std::string begin;
    ASSERT_TRUE(client.Send(RequestText("GET", "/file")));
    EXPECT_GE(Swallow(&client, 1 << 20, &begin), uint64_t{1} << 20);
    client.HangUp();
  }
  EXPECT_EQ(here.Post("k").status, 200);
  EXPECT_EQ(here.program->Stop().code, 0);
}

// What an SDK does: the same request with the same key until there is an answer to keep; it goes
// away when it has waited too long, and comes back when it is told to, or after any failure.
struct RetryingClient {
  uint16_t port;
  std::string key;
  std::chrono::milliseconds patience;
  size_t asked = 0;

  HttpAnswer Pay() {
    for (;;) {
      if (++asked > 10'000) return {.status = 0, .headers = {}, .body = "gave up"};
      Client client(port);
      client.Send(RequestText("POST", "/pay", "{\"amount\":1}", {{"Idempotency-Key", key}}));
      const HttpAnswer answer = client.Receive(patience);
      const bool again = answer.status == 0 || answer.status == 409 || answer.status >= 500;
      if (!again) return answer;
      if (answer.status != 409) continue;
      EXPECT_NE(answer.Header("Retry-After"), "") << answer.body;
    }
  }
};

void ExpectOneEffectForEachKey(const GatewayLines& lines, std::chrono::milliseconds patience) {
  constexpr int kKeys = 5;
  constexpr int kClients = 20;
  GatewayInAFolder here(lines);
  const auto latch = MakeLatch();
  // Slow until every key has run into the others; one of the answers is then a 503, which did
  // nothing and is run again.
  here.upstream.Once("/pay", Script().Wait(latch).Send(AnswerText(503, "not now")));
  for (int i = 1; i < kKeys; ++i) {
    here.upstream.Once("/pay",
                       Script().Wait(latch).Send(AnswerText(201, "paid " + std::to_string(i))));
  }
  here.upstream.On("/pay", Answer(201, "paid at last"));
  std::vector<std::string> bodies(kKeys * kClients);
  std::vector<std::thread> threads;
  std::atomic<size_t> asked{0};
  for (int i = 0; i < kKeys * kClients; ++i) {
    threads.emplace_back([&, i] {
      RetryingClient client{
          .port = here.port, .key = "order-" + std::to_string(i % kKeys), .patience = patience};
      bodies[static_cast<size_t>(i)] = client.Pay().body;
      asked += client.asked;
    });
  }
  EXPECT_TRUE(latch->Reached(kKeys));
  EXPECT_TRUE(here.upstream.Hit(kKeys));
  latch->Open();
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < bodies.size(); ++i) {
    EXPECT_TRUE(bodies[i].starts_with("paid ")) << bodies[i];
    EXPECT_EQ(bodies[i], bodies[i % kKeys]) << "two answers under one key";
  }
  EXPECT_EQ(here.upstream.hits(), kKeys + 1u);
  std::printf("%zu requests, %zu hits\n", asked.load(), here.upstream.hits());
}

TEST(GatewayLoad, RetryingClientsAllFinishWithOneEffect) {
  ExpectOneEffectForEachKey({}, std::chrono::milliseconds(5'000));
}

TEST(GatewayLoad, RetryingClientsThatHangUpAllFinishWithOneEffect) {
  ExpectOneEffectForEachKey({}, std::chrono::milliseconds(150));
}

TEST(GatewayLoad, RetryingClientsThatAreSentAwayAllFinishWithOneEffect) {
  ExpectOneEffectForEachKey({.route = "wait = \"50ms\"", .upstream = "", .gateway = ""},
                            std::chrono::milliseconds(5'000));
}

TEST(GatewayLoad, StripesClientsAllFinishWithOneEffect) {
  ExpectOneEffectForEachKey(
      {.route = "profile = \"stripe-v1\"\nwait = \"0s\"", .upstream = "", .gateway = ""},
      std::chrono::milliseconds(5'000));
}

}  // namespace
}  // namespace onced
