// SPDX-License-Identifier: MIT
// The command line on a onced that runs, and on folders that lie still: what a person reads, what a
// script reads, and the exit codes.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/options.h"
#include "tests/program.h"
#include "tests/tenants.h"

namespace onced {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Commands to one server.
class Asked {
 public:
  explicit Asked(const Program& program, std::vector<std::string> more = {})
      : more_(std::move(more)) {
    more_.insert(more_.end(), {"--server", "http://127.0.0.1:" + std::to_string(program.port())});
  }
  Ended Run(std::vector<std::string> words) const {
    words.insert(words.end(), more_.begin(), more_.end());
    return Program::Run(words);
  }
  std::string Out(const std::vector<std::string>& words) const {
    const Ended ended = Run(words);
    EXPECT_EQ(ended.code, 0) << ended.err;
    return ended.out;
  }

 private:
  std::vector<std::string> more_;
};

TEST(Commands, LookAtKeysAndDecideAboutThem) {
  OncedInAFolder here;
  const Asked asked(here.program);
  const std::string odd = "a/b?c%20\"'";
  here.Claim("one");
  EXPECT_EQ(here.program.Ask("POST", "/v1/claim", Json{{"key", odd}}.dump()).status, 201);
  const std::string fence =
      here.program.Ask("POST", "/v1/claim", R"({"key":"lost"})").Field("/fence");
  EXPECT_EQ(
      here.program.Ask("POST", "/v1/mark-unknown", R"({"key":"lost","fence":")" + fence + "\"}")
          .status,
      200);
  const std::string table = asked.Out({"keys", "list"});
  EXPECT_TRUE(table.starts_with("KEY ")) << table;
  EXPECT_NE(table.find(odd), std::string::npos) << table;
  const Json listed = Json::parse(asked.Out({"keys", "list", "--state", "unknown", "--json"}));
  EXPECT_EQ(listed["schema"], 1);
  ASSERT_EQ(listed["keys"].size(), 1u);
  EXPECT_EQ(listed["keys"][0]["key"], "lost");
  EXPECT_EQ(Json::parse(asked.Out({"keys", "get", odd, "--json"}))["state"], "in_flight");
  EXPECT_NE(asked.Out({"keys", "history", "lost"}).find("marked_unknown"), std::string::npos);

  EXPECT_EQ(asked.Out({"keys", "resolve", "lost", "completed", "--result",
                       "{\"to\": 1.0e2, \"paid\": true}"}),
            "lost: completed\n");
  EXPECT_EQ(here.program.Ask("GET", "/v1/keys/lost/result").body, "{\"to\": 1.0e2, \"paid\": true}")
      << "byte for byte";
  const Ended held = asked.Run({"keys", "forget", "one"});
  EXPECT_EQ(held.code, kExitFailure) << "somebody holds it";
  EXPECT_NE(held.err.find("409"), std::string::npos) << held.err;
  EXPECT_EQ(asked.Out({"keys", "forget", "one", "--force"}), "one: forgotten\n");
  const Ended gone = asked.Run({"keys", "get", "one"});
  EXPECT_EQ(gone.code, kExitFailure);
  EXPECT_TRUE(gone.out.empty());
}

TEST(Commands, ListMoreThanOnePage) {
  OncedInAFolder here;
  Json operations = Json::array();
  for (int i = 0; i < 1'000; ++i) {
    operations.push_back({{"op", "claim"}, {"key", "k" + std::to_string(i)}});
  }
  const std::string batch = Json{{"operations", operations}}.dump();
  EXPECT_EQ(here.program.Ask("POST", "/v1/batch", batch).status, 200);
  here.Claim("last");
  const Asked asked(here.program);
  const auto count = [&](const char* limit) {
    return Json::parse(asked.Out({"keys", "list", "--json", "--limit", limit}))["keys"].size();
  };
  EXPECT_EQ(count("5000"), 1'001u);
  EXPECT_EQ(count("1001"), 1'001u);
  EXPECT_EQ(count("7"), 7u);
}

TEST(Commands, TellHowItIs) {
  OncedInAFolder here;
  const Asked asked(here.program);
  EXPECT_NE(asked.Out({"stats"}).find("durability"), std::string::npos);
  EXPECT_TRUE(Json::parse(asked.Out({"stats", "--json"})).contains("uptime_s"));
  EXPECT_TRUE(asked.Out({"healthcheck"}).starts_with("ok"));
  EXPECT_EQ(asked.Out({"keygen", "--data", "{\"b\":1,\"a\":2}", "--prefix", "p"}),
            asked.Out({"keygen", "--data", "{\"a\":2,\"b\":1}", "--prefix", "p"}));
  EXPECT_NE(asked.Out({"keygen"}), asked.Out({"keygen"}));
  EXPECT_EQ(asked.Run({"keygen", "--data", "{"}).code, kExitUsage);
  const Ended nobody = Program::Run({"healthcheck", "--server", "http://127.0.0.1:1"});
  EXPECT_EQ(nobody.code, kExitFailure);
  EXPECT_NE(nobody.err.find("http://127.0.0.1:1: "), std::string::npos) << nobody.err;
}

// It is read from a file that is nobody else's, and shown to no other server.
TEST(Commands, ShowTheirToken) {
  const GuardedOnced here;
  WriteFile(here.folder.path("ops"), "ops\n");
  ASSERT_EQ(chmod(here.folder.path("ops").c_str(), 0600), 0);
  const Asked asked(here.program, {"--token-file", here.folder.path("ops")});
  EXPECT_EQ(here.Post("shop-1", "/v1/claim", R"({"key":"k"})").status, 201);
  EXPECT_NE(asked.Out({"keys", "list", "--tenant", "shop"}).find("k"), std::string::npos);
  const Ended none = Asked(here.program).Run({"stats"});
  EXPECT_EQ(none.code, kExitFailure);
  EXPECT_NE(none.err.find("401"), std::string::npos) << none.err;
  ASSERT_EQ(chmod(here.folder.path("ops").c_str(), 0666), 0);
  EXPECT_EQ(asked.Run({"stats"}).code, kExitUsage) << "others may write it";
}

TEST(Commands, BackUpVerifyAndRestore) {
  OncedInAFolder here;
  const Asked asked(here.program);
  EXPECT_EQ(here.program.Ask("POST", "/v1/complete", R"({"key":"k","result":42})").status, 200);
  const std::string backup = here.folder.path("backup");
  EXPECT_NE(asked.Out({"backup", backup}).find("onced verify"), std::string::npos);
  EXPECT_EQ(asked.Run({"backup", backup}).code, kExitFailure) << "it is there";
  EXPECT_EQ(asked.Run({"backup", "relative"}).code, kExitFailure);
  EXPECT_EQ(Program::Run({"verify", here.folder.path()}).code, kExitInUse);
  here.program.Ask("POST", "/v1/complete", R"({"key":"later","result":1})");

  const Ended verified = Program::Run({"verify", backup, "--json"});
  EXPECT_EQ(verified.code, 0) << verified.err;
  EXPECT_EQ(Json::parse(verified.out)["records"], 1);
  const std::string into = here.folder.path("restored");
  const Ended unsaid = Program::Run({"restore", backup, "--into", into});
  EXPECT_EQ(unsaid.code, kExitUsage);
  EXPECT_NE(unsaid.err.find("may run a second time"), std::string::npos) << unsaid.err;
  EXPECT_FALSE(fs::exists(into));
  const Ended restored =
      Program::Run({"restore", backup, "--into", into, "--accept-forgotten-claims"});
  EXPECT_EQ(restored.code, 0) << restored.err;
  const Program again(into);
  EXPECT_EQ(again.Ask("GET", "/v1/keys/k/result").body, "42");
  EXPECT_EQ(again.Ask("GET", "/v1/keys/later").status, 404) << "as was said";
  EXPECT_THROW(Program{backup}, std::exception) << "a backup is no data folder";
}

}  // namespace
}  // namespace onced
