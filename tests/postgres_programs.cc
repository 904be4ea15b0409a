// SPDX-License-Identifier: MIT
#include "tests/postgres_programs.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace onced {

std::string PostgresProgramsFolder() {
  std::vector<std::pair<int, std::string>> found;
  std::error_code none;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    const std::string programs = version.path().string() + "/bin/";
    if (!std::filesystem::exists(programs + "initdb")) continue;
    found.emplace_back(std::atoi(version.path().filename().c_str()), programs);
  }
  return found.empty() ? "" : std::max_element(found.begin(), found.end())->second;
}

std::string WhyNoPostgres() {
  if (PostgresProgramsFolder().empty()) return "PostgreSQL is not installed (Debian: postgresql)";
  if (geteuid() == 0 && getpwnam("postgres") == nullptr) return "there is no user postgres";
  return "";
}

void SkipAllWithoutPostgres() {
  class Installed : public testing::Environment {
   public:
    void SetUp() override {
      const std::string why_not = WhyNoPostgres();
      if (!why_not.empty()) GTEST_SKIP() << why_not;
    }
  };
  testing::AddGlobalTestEnvironment(new Installed);  // which GoogleTest deletes
}

std::vector<std::string> AsPostgres(std::vector<std::string> words) {
  if (geteuid() != 0) return words;
  // A change of user forgets that the child is to die with its parent, so it is said again.
  std::vector<std::string> all = {"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres",
                                  "--clear-groups", "--pdeathsig=KILL"};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

void GiveToPostgres(const std::string& folder) {
  if (geteuid() != 0) return;
  const passwd* const user = getpwnam("postgres");
  if (user == nullptr || chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0) {
    throw std::runtime_error("cannot give " + folder + " to postgres");
  }
}

}  // namespace onced
