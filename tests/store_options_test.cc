// SPDX-License-Identifier: MIT
// `--store URL` on the command line, in the environment and in the file: what goes with it, and
// that nobody is shown the password that may be in it.
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/config/secret_words.h"
#include "server/options.h"
#include "tests/fixtures.h"
#include "tests/program.h"

namespace onced {
namespace {

constexpr char kUrl[] = "postgres://me:hush@127.0.0.1:1/x";

struct Parsed {
  std::optional<ServeOptions> options;
  std::string said;
};

Parsed Parse(std::vector<std::string> flags, const std::vector<std::string>& environment = {}) {
  flags.insert(flags.begin(), "serve");
  testing::internal::CaptureStderr();
  const Options options = ParseCommandLine(flags, environment);
  Parsed parsed{.options = std::nullopt, .said = testing::internal::GetCapturedStderr()};
  if (const auto* serve = std::get_if<ServeOptions>(&options)) parsed.options = *serve;
  if (const auto* finished = std::get_if<Finished>(&options)) {
    EXPECT_EQ(finished->exit_code, kExitUsage);
  }
  return parsed;
}

TEST(StoreOption, IsTakenFromWhereverItIsSaid) {
  const TempFolder folder;
  WriteFile(folder.path("onced.toml"),
            "store = \"" + std::string(kUrl) + "\"\nstore_connections = 3\n");
  for (const Parsed& parsed :
       {Parse({"--store", kUrl, "--store-connections", "3"}),
        Parse({}, {"ONCED_STORE=" + std::string(kUrl), "ONCED_STORE_CONNECTIONS=3"}),
        Parse({"--config", folder.path("onced.toml")})}) {
    ASSERT_TRUE(parsed.options.has_value()) << parsed.said;
    EXPECT_EQ(parsed.options->store, kUrl);
    EXPECT_EQ(parsed.options->store_connections, 3u);
  }
  EXPECT_EQ(Parse({"--store", kUrl}).options->store_connections, 8u);
  EXPECT_EQ(Parse({}).options->store, "");
}

TEST(StoreOption, DoesNotGoWithWhatIsAboutFiles) {
  const std::vector<std::string> wrongs[] = {{"--data", "d"},           {"--durability", "os"},
                                             {"--sync-interval", "1s"}, {"--accept-data-loss"},
                                             {"--footprint", "edge"},   {"--redis", "127.0.0.1:0"}};
  for (std::vector<std::string> flags : wrongs) {
    const std::string flag = flags.front();
    flags.insert(flags.end(), {"--store", kUrl});
    const Parsed parsed = Parse(flags);
    EXPECT_FALSE(parsed.options.has_value()) << flag;
    EXPECT_TRUE(parsed.said.starts_with(flag + ": ")) << parsed.said;
    EXPECT_NE(parsed.said.find("--store"), std::string::npos) << parsed.said;
  }
  const Parsed by_variable = Parse({"--store", kUrl}, {"ONCED_DATA=d"});
  EXPECT_TRUE(by_variable.said.starts_with("ONCED_DATA: ")) << by_variable.said;
  const Parsed alone = Parse({"--store-connections", "3"});
  EXPECT_TRUE(alone.said.starts_with("--store-connections: needs --store")) << alone.said;
}

TEST(StoreOption, ShowsNobodyItsPassword) {
  const std::vector<std::string> wrongs[] = {{"--store", "mysql://me:hush@127.0.0.1/x"},
                                             {"--store", "postgres://me:hush/hush@127.0.0.1/x"},
                                             {"--store", "postgres://me:hush@hush@127.0.0.1/x"},
                                             {"--stor", kUrl},
                                             {"--stor=" + std::string(kUrl)},
                                             {"--store", kUrl, kUrl},
                                             {"--store", kUrl, "--data", "d"}};
  for (const std::vector<std::string>& flags : wrongs) {
    const Parsed parsed = Parse(flags);
    EXPECT_FALSE(parsed.options.has_value());
    EXPECT_FALSE(parsed.said.empty());
    EXPECT_EQ(parsed.said.find("hush"), std::string::npos) << parsed.said;
  }
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"config", "show", "--store", kUrl},
        std::vector<std::string>{"config", "show", "--json", "--store", kUrl}}) {
    const Ended shown = Program::Run(flags);
    EXPECT_EQ(shown.code, 0) << shown.err;
    EXPECT_NE(shown.out.find("postgres://me:***@127.0.0.1:1/x"), std::string::npos) << shown.out;
    EXPECT_EQ((shown.out + shown.err).find("hush"), std::string::npos) << shown.out;
  }
}

TEST(StoreOption, IsShownAsAFileThatMeansTheSame) {
  const TempFolder folder;
  std::filesystem::create_directory(folder.path());
  const std::string url = "postgres://me@127.0.0.1:1/x";
  const Ended shown = Program::Run({"config", "show", "--store", url});
  const std::string file = folder.path() + "/onced.toml";
  WriteFile(file, shown.out);
  const Parsed parsed = Parse({"--config", file});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.said;
  EXPECT_EQ(parsed.options->store, url);
}

TEST(StoreOption, CountsAsChangedWhenOnlyItsPasswordIs) {
  const auto written = [](const std::string& url) {
    return Parse({"--store", url}).options->written;
  };
  EXPECT_NE(written(kUrl), written("postgres://me:other@127.0.0.1:1/x"));
}

TEST(SecretWords, AreHidden) {
  const std::pair<const char*, const char*> table[] = {
      {"postgres://me:hush@h:1/x", "postgres://me:***@h:1/x"},
      {"postgres://me:hu@sh@h/x a:b@c", "postgres://me:***@h/x a:b@c"},
      {"postgres://me@h/x?password=hush&a=b", "postgres://me@h/x?password=***&a=b"},
      {"postgres://h/x?sslpassword=hush", "postgres://h/x?sslpassword=***"},
      {"postgres://me:hush@h?password=too", "postgres://me:***@h?password=***"},
      {"a postgres://a:1@b and a postgres://c:2@d",
       "a postgres://a:***@b and a postgres://c:***@d"},
      {"postgres://me@h:1/x", "postgres://me@h:1/x"},
      {"http://127.0.0.1:3000", "http://127.0.0.1:3000"},
      {"://", "://"},
      {"", ""}};
  for (const auto& [text, shown] : table) {
    EXPECT_EQ(WithoutSecrets(text), shown);
    std::string in_place = text;
    HideSecrets(in_place.data());
    EXPECT_EQ(in_place.size(), std::string(text).size());
    EXPECT_EQ(in_place.find("hush"), std::string::npos) << in_place;
  }
}

}  // namespace
}  // namespace onced
