// SPDX-License-Identifier: MIT
// `onced migrate`: what it makes, how it ends, and that it tells nobody a password.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/postgres_cluster.h"

namespace onced {
namespace {

// The exit code of `onced migrate ...`, and what it said.
std::pair<int, std::string> Migrate(const std::vector<std::string>& args) {
  std::vector<std::string> words = {ONCED_PROGRAM, "migrate"};
  words.insert(words.end(), args.begin(), args.end());
  Child child(words);
  EXPECT_TRUE(Eventually([&] { return child.Ended(); }));
  return {child.code(), child.Said()};
}

TEST(Migrate, MakesTheTablesAsOftenAsItIsAsked) {
  PostgresFolder folder;
  folder.Sql("DROP TABLE onced_records, onced_runs, onced_effects, onced_schema");
  for (int i = 0; i < 2; ++i) {
    const auto [code, said] = Migrate({"--store", folder.url()});
    EXPECT_EQ(code, 0) << said;
    EXPECT_TRUE(folder.Sql("SELECT key FROM onced_records").empty());
  }
}

TEST(Migrate, TakesTheUrlFromTheEnvironment) {
  PostgresFolder folder;
  setenv("ONCED_STORE", folder.url().c_str(), 1);
  const auto [code, said] = Migrate({});
  unsetenv("ONCED_STORE");
  EXPECT_EQ(code, 0) << said;
}

TEST(Migrate, SaysByItsExitCodeWhatIsWrong) {
  PostgresFolder folder;
  EXPECT_EQ(Migrate({}).first, 2);
  EXPECT_EQ(Migrate({"--store", "mysql://me:secret@127.0.0.1/x"}).first, 2);
  EXPECT_EQ(Migrate({"--store", "postgres://me:secret@127.0.0.1:1/x"}).first, 1);
  folder.Sql("UPDATE onced_schema SET version = 2");
  EXPECT_EQ(Migrate({"--store", folder.url()}).first, 65);
}

TEST(Migrate, PrintsNoPassword) {
  for (const std::string url :
       {"mysql://me:secret@127.0.0.1/x", "postgres://me:secret@127.0.0.1:1/x",
        "postgres://me:secret/and@127.0.0.1/x", "postgres://me:secret@and@127.0.0.1/x"}) {
    const auto [code, said] = Migrate({"--store", url});
    EXPECT_NE(code, 0);
    EXPECT_FALSE(said.empty());
    EXPECT_EQ(said.find("secret"), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace onced
