// SPDX-License-Identifier: MIT
// The main function of the doors' tests on PostgreSQL: the same suites of the real program, each of
// its data folders a schema instead. What cannot hold there is in one list, with the reason.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "tests/postgres_cluster.h"
#include "tests/postgres_programs.h"
#include "tests/program.h"

namespace onced {
namespace {

struct Apart {
  const char* test;
  const char* why;
};
constexpr const char* kLeaseTells =
    "a store that many share cannot tell whether a process is gone: the run is in flight until its "
    "lease ends (ServeStore.ARunOfADeadOncedIsUnknownWhenItsLeaseEnds)";
constexpr const char* kMadeInAFolder =
    "its keys are made in a data folder, by a process that is gone: see above";
constexpr const char* kTellsOfFiles = "what is told of files is not told (ServeStore.*)";
constexpr Apart kApart[] = {
    {"GatewayKeys.WhoseProcessIsGoneAreShownAsUnknown", kLeaseTells},
    {"GatewayKeys.AreResolvedWithAnAnswerToReplay", kMadeInAFolder},
    {"GatewayKeys.AreCompletedByTheirFenceWithAnAnswerToReplay", kMadeInAFolder},
    {"GatewayKeys.AreOperatedOnLikeOthers", kMadeInAFolder},
    {"GatewayCrash.NoKeyRunsTwiceHoweverOftenOncedDies", kLeaseTells},
    {"GatewayInFlight.WhatOncedDiedUnderIsUnknownAtTheNextStart", kLeaseTells},
    {"ServerCalls.TellLimitsAndDefaults", kTellsOfFiles},
    {"ServerCalls.TellHowTheyAre", kTellsOfFiles},
    {"Commands.BackUpVerifyAndRestore", "backups are the database's"},
};

// The schema of each folder, for as long as the program lives: a folder may be opened again.
std::vector<std::string> SchemaFor(const std::string& data) {
  PostgresCluster::Shared();                             // so that it outlives what follows
  static std::map<std::string, PostgresFolder> folders;  // of the main thread
  return {"--store", folders[data].url()};
}

// Those of the list are left out; one that is not there has another name by now.
bool LeaveOut() {
  std::string filter = testing::GTEST_FLAG(filter);
  filter += filter.find('-') == std::string::npos ? "-" : ":";
  for (const Apart& apart : kApart) {
    bool found = false;
    const testing::UnitTest& all = *testing::UnitTest::GetInstance();
    for (int s = 0; s < all.total_test_suite_count(); ++s) {
      const testing::TestSuite& suite = *all.GetTestSuite(s);
      for (int t = 0; t < suite.total_test_count(); ++t) {
        found =
            found || apart.test == std::string(suite.name()) + "." + suite.GetTestInfo(t)->name();
      }
    }
    if (!found) {
      std::fprintf(stderr, "%s is left out on PostgreSQL, and is not there\n", apart.test);
      return false;
    }
    std::printf("left out: %s: %s\n", apart.test, apart.why);
    filter += std::string(apart.test) + ":";
  }
  testing::GTEST_FLAG(filter) = filter;
  return true;
}

}  // namespace
}  // namespace onced

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!onced::LeaveOut()) return 1;
  onced::KeepFoldersElsewhere(onced::SchemaFor);
  onced::SkipAllWithoutPostgres();
  return RUN_ALL_TESTS();
}
