// SPDX-License-Identifier: MIT
// What the connection layer promises whatever its bytes travel by: the same tests in plain text and
// over both versions of TLS.
#include <gtest/gtest.h>
#include <httplib.h>
#include <openssl/ssl.h>
#include <signal.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/certificates.h"
#include "tests/listening.h"
#include "tests/tls_client.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using wire::Exchange;
using wire::Listener;
using wire::ListenerOptions;

constexpr int kPlain = 0;

// The parameter: the version of TLS, or kPlain.
class Transport : public testing::TestWithParam<int> {
 protected:
  Transport() {
    signal(SIGPIPE, SIG_IGN);  // as the program does: OpenSSL writes by write()
    if (GetParam() != kPlain) here.Make("server", {.issuer = "ca"});
  }
  std::unique_ptr<Listener> Serve(ListenerOptions options) {
    if (GetParam() != kPlain) {
      options.tls = Value(wire::TlsCredentials::Load(
          {.certificate = here.certificate("server"), .key = here.key("server"), .client_ca = ""}));
    }
    return Listen(std::move(options));
  }
  std::unique_ptr<Client> Connect(const Listener& listener) const {
    if (GetParam() == kPlain) return std::make_unique<Client>(listener.port());
    auto client = std::make_unique<TlsClient>(
        listener.port(),
        TlsClientOptions{.authority = here.certificate("ca"), .version = GetParam()});
    EXPECT_EQ(client->refused(), "");
    EXPECT_EQ(SSL_version(client->ssl()), GetParam());
    return client;
  }
  // In good order: TLS has a word for it.
  static void FinishSending(Client& client) {
    if (auto* tls = dynamic_cast<TlsClient*>(&client)) return tls->SayGoodbye();
    client.FinishSending();
  }

  CertificateFolder here;
};

INSTANTIATE_TEST_SUITE_P(Ways, Transport,
                         testing::Values(kPlain, int{TLS1_2_VERSION}, int{TLS1_3_VERSION}),
                         [](const testing::TestParamInfo<int>& way) -> std::string {
                           if (way.param == kPlain) return "Plain";
                           return way.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(Transport, AnswersPipelinedRequestsInTheirOrder) {
  const auto listener = Serve(OptionsFor(Echo));
  const auto client = Connect(*listener);
  constexpr int kRequests = 300;  // more than may wait to leave at once
  std::string all;
  for (int i = 0; i < kRequests; ++i) all += Get("/" + std::to_string(i));
  client->Send(all);
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(client->Receive().body, "/" + std::to_string(i));
  }
}

// However the bytes are cut into packets or records.
TEST_P(Transport, ReadsARequestThatComesByteByByte) {
  const auto listener = Serve(OptionsFor(Echo));
  const auto client = Connect(*listener);
  for (const char byte : RequestText("POST", "/p", "body")) client->Send({&byte, 1});
  EXPECT_EQ(client->Receive().body, "/pbody");
}

TEST_P(Transport, CarriesLargeBodiesBothWays) {
  const auto listener = Serve(OptionsFor(Echo));
  const auto client = Connect(*listener);
  const std::string body(1'000'000, 'x');
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client->Ask("POST", "/", body).body, "/" + body);
  }
}

TEST_P(Transport, HoldsEveryAnswerUntilItIsDurable) {
  HeldGate gate;
  ListenerOptions options = OptionsFor([&](httplib::Response& response, Exchange& exchange) {
    exchange.HoldUntil(40);
    exchange.HoldUntil(30);
    Echo(response, exchange);
  });
  options.when_durable = [&](uint64_t sequence, std::function<void()> pass) {
    EXPECT_EQ(sequence, 40u);
    gate.Hold(std::move(pass));
  };
  const auto listener = Serve(std::move(options));
  const auto client = Connect(*listener);
  client->Send(Get("/1") + Get("/2"));
  ASSERT_TRUE(Eventually([&] { return gate.held() == 2; })) << "a held answer keeps none back";
  gate.PassLast();
  EXPECT_EQ(client->Receive(milliseconds(50)).status, 0) << "the first is still held";
  gate.PassFirst();
  EXPECT_EQ(client->Receive().body, "/1");
  EXPECT_EQ(client->Receive().body, "/2");
  EXPECT_EQ(listener->Counts().requests, 2u) << "each was asked once";
}

TEST_P(Transport, AnswersAClientThatHasFinishedSending) {
  const auto listener = Serve(OptionsFor(Echo));
  const auto client = Connect(*listener);
  client->Send(Get("/1") + Get("/2"));
  FinishSending(*client);
  EXPECT_EQ(client->Receive().body, "/1");
  EXPECT_EQ(client->Receive().body, "/2");
  EXPECT_TRUE(client->SeesEnd());
}

// A refusal must be readable although the client is still sending: closing at once would reset it.
TEST_P(Transport, LetsARefusalBeReadByAClientThatIsStillSending) {
  const auto listener = Serve(OptionsFor(Echo));
  const auto client = Connect(*listener);
  EXPECT_TRUE(client->Send(RequestText("POST", "/", std::string(4u << 20, 'x'))));
  const HttpAnswer answer = client->Receive();
  ExpectProblem(answer, 413, "payload_too_large");
  EXPECT_EQ(answer.Header("Connection"), "close");
  EXPECT_TRUE(client->SeesEnd());
}

}  // namespace
}  // namespace onced
