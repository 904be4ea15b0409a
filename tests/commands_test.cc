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
#include "tests/scripted_upstream.h"
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
  EXPECT_EQ(Json::parse(asked.Out({"healthcheck", "--json"}))["ready"], true);
  EXPECT_EQ(asked.Out({"keygen", "--data", "{\"b\":1,\"a\":2}", "--prefix", "p"}),
            asked.Out({"keygen", "--data", "{\"a\":2,\"b\":1}", "--prefix", "p"}));
  EXPECT_NE(asked.Out({"keygen"}), asked.Out({"keygen"}));
  EXPECT_EQ(asked.Run({"keygen", "--data", "{"}).code, kExitUsage);
  const Ended nobody = Program::Run({"healthcheck", "--server", "http://127.0.0.1:1"});
  EXPECT_EQ(nobody.code, kExitFailure);
  EXPECT_NE(nobody.err.find("http://127.0.0.1:1: "), std::string::npos) << nobody.err;
}

// CLI11 once filled the one place that all commands share from the variable, over what the flag of
// the command that was asked for had said: a forget went to another server.
TEST(Commands, AskTheServerOfTheFlagNotOfTheVariable) {
  OncedInAFolder here;
  here.Claim("k");
  const std::string url = "http://127.0.0.1:" + std::to_string(here.program.port());
  for (const std::vector<std::string>& command : {std::vector<std::string>{"keys", "list"},
                                                  {"keys", "get", "k"},
                                                  {"keys", "history", "k"},
                                                  {"stats"},
                                                  {"healthcheck"},
                                                  {"keygen"},
                                                  {"keys", "forget", "k", "--force"}}) {
    std::vector<std::string> words = command;
    words.insert(words.end(), {"--server", "http://127.0.0.1:1"});
    setenv("ONCED_SERVER", url.c_str(), 1);
    const Ended elsewhere = Program::Run(words);
    EXPECT_EQ(elsewhere.code, kExitFailure) << command.front();
    EXPECT_NE(elsewhere.err.find("http://127.0.0.1:1: "), std::string::npos) << elsewhere.err;
    EXPECT_EQ(Program::Run(command).code, 0) << "without the flag the variable counts";
    unsetenv("ONCED_SERVER");
  }
  setenv("ONCED_TOKEN_FILE", "/nope", 1);
  const Ended of_flag = Program::Run({"stats", "--server", url, "--token-file", "/not-there"});
  unsetenv("ONCED_TOKEN_FILE");
  EXPECT_EQ(of_flag.code, kExitUsage);
  EXPECT_NE(of_flag.err.find("/not-there"), std::string::npos) << of_flag.err;
}

// A proxy, or another program on that port: nothing was done, so nothing may be said to be.
TEST(Commands, TakeNothingForDoneThatAOncedHasNotDone) {
  for (const char* const body : {"", "[]", "7", "null", "{}", "<html>\x1b[2J</html>"}) {
    ScriptedUpstream other;
    for (const char* const target : {"/v1/keys", "/v1/keys/k", "/v1/keys/k/history", "/v1/resolve",
                                     "/v1/status", "/v1/keygen", "/v1/backup", "/readyz"}) {
      other.On(target, Answer(200, body));
    }
    for (std::vector<std::string> words : {std::vector<std::string>{"keys", "list"},
                                           {"keys", "get", "k"},
                                           {"keys", "history", "k"},
                                           {"keys", "resolve", "k", "released"},
                                           {"keys", "forget", "k"},
                                           {"stats"},
                                           {"keygen"},
                                           {"healthcheck"},
                                           {"backup", "/nowhere/b"}}) {
      words.insert(words.end(), {"--server", other.url()});
      const Ended ended = Program::Run(words);
      EXPECT_EQ(ended.code, kExitFailure) << words[0] << " " << body;
      EXPECT_TRUE(ended.out.empty()) << ended.out;
      EXPECT_NE(ended.err.find("does not answer as a onced does"), std::string::npos) << ended.err;
    }
  }
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
  ASSERT_EQ(chmod(here.folder.path("ops").c_str(), 0600), 0);
  for (const char* const none_at_all : {"", "\n", "a\x01z\n"}) {
    WriteFile(here.folder.path("ops"), none_at_all);
    const Ended empty = asked.Run({"stats"});
    EXPECT_EQ(empty.code, kExitUsage);
    EXPECT_NE(empty.err.find(here.folder.path("ops")), std::string::npos) << empty.err;
  }
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
