// SPDX-License-Identifier: MIT
// server/redis/COMMANDS.md is what the table of commands makes of it. To write it anew:
//
//   ONCED_WRITE_COMMANDS=1 build/dev/tests/onced_server_tests --gtest_filter='CommandDocument.*'
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "server/redis/command.h"
#include "server/redis/command_document.h"

namespace onced {
namespace {

TEST(CommandDocument, IsWhatTheTableSays) {
  const std::string path = std::string(ONCED_SOURCE_DIR) + "/server/redis/COMMANDS.md";
  if (std::getenv("ONCED_WRITE_COMMANDS") != nullptr) {
    std::ofstream(path) << redis::CommandDocument();
  }
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(text, redis::CommandDocument());
}

TEST(CommandTable, IsInOrderAndWhole) {
  std::set<std::string_view> names;
  for (const redis::Command* command : redis::AllCommands()) {
    EXPECT_TRUE(names.insert(command->name).second) << command->name << " is there twice";
    EXPECT_FALSE(command->summary.empty() || command->since.empty() || command->group.empty())
        << command->name;
    EXPECT_TRUE(command->run != nullptr || !command->subcommands.empty()) << command->name;
    EXPECT_EQ(redis::FindCommand(command->name), command);
    const bool has_keys = command->first_key != 0;
    EXPECT_EQ(has_keys, command->key_step != 0) << command->name;
    for (const redis::Command& one : command->subcommands) {
      EXPECT_EQ(one.container, command->name) << one.name;
      EXPECT_NE(one.run, nullptr) << one.name;
    }
  }
}

}  // namespace
}  // namespace onced
