// SPDX-License-Identifier: MIT
// The main function of the tests on PostgreSQL: where there is none, all of them are skipped, with
// the reason.
#include <gtest/gtest.h>

#include "tests/postgres_programs.h"

namespace onced {
namespace {

class Installed : public testing::Environment {
 public:
  void SetUp() override {
    const std::string why_not = WhyNoPostgres();
    if (!why_not.empty()) GTEST_SKIP() << why_not;
  }
};

}  // namespace
}  // namespace onced

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new onced::Installed);  // which GoogleTest deletes
  return RUN_ALL_TESTS();
}
