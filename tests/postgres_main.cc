// SPDX-License-Identifier: MIT
// The main function of the tests on PostgreSQL: where there is none, all of them are skipped, with
// the reason.
#include <gtest/gtest.h>

#include "tests/postgres_programs.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  onced::SkipAllWithoutPostgres();
  return RUN_ALL_TESTS();
}
