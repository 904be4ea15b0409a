// SPDX-License-Identifier: MIT
// A tenant's limit of live keys, asked of the real program: only what would begin is refused.
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <cstdlib>
#include <iterator>
#include <string>
#include <utility>

#include "tests/tenants.h"

namespace onced {
namespace {

// onced with a tenant "few" that may have three keys.
struct OncedWithFew {
  explicit OncedWithFew(int keys_max = 3)
      : program(folder.path(), {"--durability", "os", "--tokens", Write(keys_max)}) {}
  std::string Write(int keys_max) {
    const std::string limit = "keys_max = " + std::to_string(keys_max);
    return PutTokens(folder, Tenant("few", Role::kApp, {"few"}, limit) + GuardedOnced::Others());
  }
  HttpAnswer Post(const std::string& target, const std::string& json) const {
    return program.Ask("POST", target, Json(json), Bearer("few"));
  }
  std::string Claim(const std::string& key) const {
    const HttpAnswer won = Post("/v1/claim", "{'key':'" + key + "'}");
    EXPECT_EQ(won.status, 201) << won.body;
    return won.Field("/fence");
  }
  // What it may have, and one more is refused: the fences of a, b and c.
  std::array<std::string, 3> Fill() const {
    std::array<std::string, 3> fences = {Claim("a"), Claim("b"), Claim("c")};
    EXPECT_TRUE(IsFull());
    return fences;
  }
  // Whether a fresh key is refused, now or once the first count is done; it is not kept.
  bool IsFull() const {
    return Eventually([&] {
      const HttpAnswer probe = Post("/v1/claim", "{'key':'probe'}");
      if (probe.status == 429) return true;
      Post("/v1/release", "{'key':'probe','fence':'" + probe.Field("/fence") + "'}");
      return false;
    });
  }

  TempFolder folder;
  Program program;
};

TEST(Quota, RefusesAFreshKeyBeyondTheLimitByWhateverCall) {
  const OncedWithFew here;
  here.Fill();
  for (const auto& [target, json] :
       {std::pair("/v1/claim", "{'key':'d'}"), std::pair("/v1/complete", "{'key':'d','result':1}"),
        std::pair("/api/payments", "{'amount':5,'currency':'EUR'}")}) {
    const HttpAnswer refused = here.Post(target, json);
    ExpectProblem(refused, 429, "quota_exceeded");
    const int after = std::atoi(refused.Header("Retry-After").c_str());
    EXPECT_TRUE(after >= 1 && after <= 30) << after;
  }
  EXPECT_EQ(here.program.Ask("GET", "/v1/keys/d", "", Bearer("few")).status, 404);
  EXPECT_EQ(here.program.Ask("GET", "/api/payments", "", Bearer("few")).Count("/payments"), 0u);
  EXPECT_EQ(here.program.Ask("POST", "/v1/claim", Json("{'key':'d'}"), Bearer("bank")).status, 201)
      << "another tenant has its own";
}

TEST(Quota, LeavesWhatIsThereToBeUsed) {
  const OncedWithFew here;
  const auto [a, b, c] = here.Fill();
  ExpectProblem(here.Post("/v1/claim", "{'key':'a'}"), 409, "idempotency_in_flight");
  ExpectProblem(here.Post("/v1/claim", "{'key':'a','fingerprint':'x'}"), 422,
                "idempotency_conflict");
  EXPECT_EQ(here.Post("/v1/renew", "{'key':'a','fence':'" + a + "'}").status, 200);
  EXPECT_EQ(here.Post("/v1/complete", "{'key':'a','fence':'" + a + "','result':1}").status, 200);
  EXPECT_EQ(here.Post("/v1/claim", "{'key':'a'}").Field("/outcome"), "replay");
  EXPECT_EQ(here.Post("/v1/mark-unknown", "{'key':'b','fence':'" + b + "'}").status, 200);
  ASSERT_TRUE(here.IsFull());
}

TEST(Quota, HasRoomAgainForWhatIsReleasedForgottenOrDead) {
  const OncedWithFew here;
  const std::string a = here.Fill()[0];
  here.Post("/v1/release", "{'key':'a','fence':'" + a + "'}");
  here.Claim("d");
  ASSERT_TRUE(here.IsFull());
  EXPECT_EQ(
      here.program.Ask("DELETE", "/v1/keys/b?tenant=few&force=true", "", Bearer("ops")).status,
      204);
  EXPECT_EQ(here.Post("/v1/complete", "{'key':'e','result':1,'retention_ms':1000}").status, 200);
  ASSERT_TRUE(here.IsFull());
  // real time: it dies by itself, and the next count sees it
  EXPECT_TRUE(Eventually([&] { return here.Post("/v1/claim", "{'key':'f'}").status == 201; }));
}

TEST(Quota, GivesABatchWhatRoomThereIsAndRefusesTheRestByItself) {
  const OncedWithFew here;
  const std::string a = here.Fill()[0];
  here.Post("/v1/release", "{'key':'a','fence':'" + a + "'}");
  // A count that ran while a key began may have it twice, until the next count.
  ASSERT_TRUE(Eventually([&] {
    const HttpAnswer probe = here.Post("/v1/claim", "{'key':'probe'}");
    if (probe.status != 201) return false;
    here.Post("/v1/release", "{'key':'probe','fence':'" + probe.Field("/fence") + "'}");
    return true;
  }));
  const HttpAnswer done = here.Post(
      "/v1/batch",
      "{'operations':[{'op':'claim','key':'b'},{'op':'claim','key':'d'},{'op':'claim','key':'d'},"
      "{'op':'claim','key':'e'},{'op':'complete','key':'f'},{'op':'claim','key':'c'}]}");
  ASSERT_EQ(done.status, 200) << done.body;
  const char* const statuses[] = {"409", "201", "409", "429", "429", "409"};
  for (size_t i = 0; i < std::size(statuses); ++i) {
    EXPECT_EQ(done.Field("/results/" + std::to_string(i) + "/status"), statuses[i]) << i;
  }
  EXPECT_EQ(done.Field("/results/3/code"), "quota_exceeded");
  const int after = std::atoi(done.Field("/results/3/retry_after").c_str());
  EXPECT_TRUE(after >= 1 && after <= 30) << "an entry has no header to say it in: " << done.body;
}

TEST(Quota, IsCountedAfreshByTheNextProgramAndRaisedBySignal) {
  OncedWithFew here;
  for (const char* key : {"a", "b", "c"}) here.Claim(key);
  here.program.Kill();
  Program next(here.folder.path(), {"--tokens", here.folder.path("tokens.toml")});
  const auto claim = [&](const std::string& key) {
    return next.Ask("POST", "/v1/claim", Json("{'key':'" + key + "'}"), Bearer("few"));
  };
  EXPECT_EQ(claim("probe").status, 429) << "from the first moment";
  here.Write(4);
  next.Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return claim("d").status == 201; }));
}

}  // namespace
}  // namespace onced
