// SPDX-License-Identifier: MIT
// The worked example: an endpoint that may be called twice, or five hundred times at once, and pays
// once.
#include <gtest/gtest.h>

#include <atomic>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/program.h"

namespace onced {
namespace {

constexpr char kBody[] = R"({"amount":1250,"currency":"EUR"})";

HttpAnswer Pay(const OncedInAFolder& here, const std::string& body, const std::string& key = "") {
  const Headers headers = key.empty() ? Headers{} : Headers{{"Idempotency-Key", key}};
  return here.program.Ask("POST", "/api/payments", body, headers);
}

// The five hundred are all connected, and have all sent all but their last byte, before the first
// of them sends it.
TEST(ParallelPayments, FiveHundredWithOneKeyPayOnce) {
  const OncedInAFolder here;
  constexpr int kClients = 500;
  const std::string request =
      RequestText("POST", "/api/payments", kBody, {{"Idempotency-Key", "order-1"}});
  std::vector<Client> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(here.program.Connect());
    clients.back().Send(request.substr(0, request.size() - 1));
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < kClients; i += 8) clients[i].Send(request.substr(request.size() - 1));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> bodies;
  int first = 0;
  for (Client& client : clients) {
    const HttpAnswer answer = client.Receive();
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(answer.Header("Idempotency-Key"), "order-1");
    bodies.insert(answer.body);
    if (answer.Header("Idempotent-Replayed").empty()) ++first;
  }
  EXPECT_EQ(bodies.size(), 1u);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(here.Get("/api/payments").Count("/payments"), 1u);
}

TEST(Payment, IsWhatWasAskedFor) {
  const OncedInAFolder here;
  const HttpAnswer paid =
      Pay(here, R"({"amount":1250,"currency":"EUR","reference":"order-7"})", "k");
  EXPECT_EQ(paid.status, 201);
  EXPECT_EQ(paid.Header("Content-Type"), "application/json");
  EXPECT_EQ(paid.Field("/amount"), "1250");
  EXPECT_EQ(paid.Field("/currency"), "EUR");
  EXPECT_EQ(paid.Field("/reference"), "order-7");
  EXPECT_TRUE(std::regex_match(paid.Field("/id"), std::regex("pay_[0-9a-f_]+")));
  EXPECT_NE(paid.Field("/created_at"), "");
  EXPECT_EQ(paid.Header("Idempotent-Replayed") + paid.Header("Idempotency-Key-Derived"), "");
  EXPECT_EQ(here.Get("/api/payments/" + paid.Field("/id")).body, paid.body);
  ExpectProblem(here.Get("/api/payments/pay_0"), 404, "not_found");
}

TEST(Payment, SentAgainIsTheSamePayment) {
  const OncedInAFolder here;
  const HttpAnswer first = Pay(here, kBody, "k");
  const HttpAnswer again = Pay(here, R"( { "currency" : "EUR", "amount" : 1250 } )", "k");
  EXPECT_EQ(again.status, 201) << "the same payment, whatever its spelling";
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.Header("Idempotent-Replayed"), "true");
  EXPECT_NE(Pay(here, kBody, "other").body, first.body);
}

TEST(Payment, OfAnotherBodyUnderTheSameKeyIsRefused) {
  const OncedInAFolder here;
  Pay(here, kBody, "k");
  const HttpAnswer refused = Pay(here, R"({"amount":1251,"currency":"EUR"})", "k");
  ExpectProblem(refused, 422, "idempotency_conflict");
  EXPECT_EQ(refused.body.find("1250"), std::string::npos);
  EXPECT_EQ(here.Get("/api/payments").Count("/payments"), 1u);
}

TEST(Payment, WithoutAKeyIsKeyedByItsContent) {
  const OncedInAFolder here;
  const HttpAnswer first = Pay(here, kBody);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.Header("Idempotency-Key-Derived"), "true");
  const std::string key = first.Header("Idempotency-Key");
  EXPECT_FALSE(key.empty());
  const HttpAnswer again = Pay(here, kBody);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.Header("Idempotent-Replayed"), "true");
  EXPECT_EQ(again.Header("Idempotency-Key-Derived"), "true");
  EXPECT_EQ(Pay(here, kBody, key).body, first.body);
  // The reference keeps two equal payments apart.
  EXPECT_NE(Pay(here, R"({"amount":1250,"currency":"EUR","reference":"a"})").body,
            Pay(here, R"({"amount":1250,"currency":"EUR","reference":"b"})").body);
  EXPECT_EQ(here.Get("/api/payments").Count("/payments"), 3u);
}

TEST(Payment, TakesTheKeyQuotedOrBareButOnce) {
  const OncedInAFolder here;
  const HttpAnswer bare = Pay(here, kBody, "order-1");
  const HttpAnswer quoted = Pay(here, kBody, "\"order-1\"");
  EXPECT_EQ(quoted.body, bare.body);
  EXPECT_EQ(quoted.Header("Idempotent-Replayed"), "true");
  EXPECT_EQ(Pay(here, kBody, "100%25").Header("Idempotency-Key"), "100%25");
  ExpectProblem(here.program.Ask("POST", "/api/payments", kBody,
                                 {{"Idempotency-Key", "a"}, {"idempotency-key", "a"}}),
                400, "idempotency_key_invalid");
  for (const std::string& bad : {std::string("\"\""), std::string("a b"), std::string(256, 'k'),
                                 std::string("\xC3\xA9"), std::string("a, b")}) {
    ExpectProblem(Pay(here, kBody, bad), 400, "idempotency_key_invalid");
  }
  ExpectProblem(here.program.Ask("POST", "/api/payments", kBody, {{"Idempotency-Key", ""}}), 400,
                "idempotency_key_invalid");
}

TEST(Payment, ThatIsNotValidIsNotRemembered) {
  const OncedInAFolder here;
  const struct {
    const char* body;
    const char* field;
  } table[] = {{"{}", "amount"},
               {R"({"amount":0,"currency":"EUR"})", "amount"},
               {R"({"amount":-5,"currency":"EUR"})", "amount"},
               {R"({"amount":12.5,"currency":"EUR"})", "amount"},
               {R"({"amount":"12","currency":"EUR"})", "amount"},
               {R"({"amount":1000000000001,"currency":"EUR"})", "amount"},
               {R"({"amount":1})", "currency"},
               {R"({"amount":1,"currency":"eur"})", "currency"},
               {R"({"amount":1,"currency":"ZZZ"})", "currency"},
               {R"({"amount":1,"currency":"EURO"})", "currency"},
               {R"({"amount":1,"currency":"EUR","reference":""})", "reference"},
               {R"({"amount":1,"currency":"EUR","reference":"a b"})", "reference"},
               {R"({"amount":1,"currency":"EUR","reference":5})", "reference"}};
  for (const auto& [body, field] : table) {
    ExpectRefusal(Pay(here, body, "k"), 400, "invalid_request", field);
  }
  EXPECT_EQ(here.Get("/v1/keys/k?scope=payments").status, 404);
  EXPECT_EQ(here.Get("/api/payments").Count("/payments"), 0u);
  const HttpAnswer right = Pay(here, kBody, "k");
  EXPECT_EQ(right.status, 201);
  EXPECT_EQ(right.Header("Idempotent-Replayed"), "");
}

TEST(Payment, IsListedInTheOrderOfMakingPageByPage) {
  const OncedInAFolder here;
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) {
    made.push_back(Pay(here, kBody, "k" + std::to_string(i)).Field("/id"));
  }
  std::vector<std::string> listed;
  std::string cursor;
  int pages = 0;
  do {
    const HttpAnswer page =
        here.Get("/api/payments?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(page.status, 200) << page.body;
    for (size_t i = 0; i < page.Count("/payments"); ++i) {
      listed.push_back(page.Field("/payments/" + std::to_string(i) + "/id"));
    }
    cursor = page.Field("/cursor");
    ++pages;
  } while (!cursor.empty() && pages < 10);
  EXPECT_EQ(pages, 3);
  // Two of one millisecond have no order between them.
  EXPECT_EQ(std::set<std::string>(listed.begin(), listed.end()),
            std::set<std::string>(made.begin(), made.end()));
  EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end()));
}

// Its key is a key as any other: a result stored under it through the API, or none, is no reason to
// fall over.
TEST(Payment, StandsARecordThatIsNotItsOwn) {
  const OncedInAFolder here;
  // sha256 of {"amount": 1250, "currency": "EUR"}: the fingerprint of kBody.
  const std::string fingerprint =
      here.program.Ask("POST", "/v1/keygen", "{\"data\":" + std::string(kBody) + "}").Field("/key");
  here.Post("/v1/complete", "{'key':'k','scope':'payments','fingerprint':'" + fingerprint + "'}");
  const HttpAnswer answer = Pay(here, kBody, "k");
  EXPECT_NE(answer.status, 0) << answer.body;
  EXPECT_EQ(here.Get("/livez").status, 200);
  here.Post("/v1/claim", "{'key':'c','scope':'payments','fingerprint':'" + fingerprint + "'}");
  ExpectProblem(Pay(here, kBody, "c"), 409, "idempotency_in_flight");
}

}  // namespace
}  // namespace onced
