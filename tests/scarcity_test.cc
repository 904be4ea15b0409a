// SPDX-License-Identifier: MIT
// A machine that gives the program no more memory or threads: it ends, says why, and what was
// answered is there at the next start.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/child.h"
#include "tests/program.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ONCED_SKIP_SANITIZED() GTEST_SKIP() << "a sanitizer takes address space as it likes"
#else
#define ONCED_SKIP_SANITIZED() (void)0
#endif

namespace onced {
namespace {

constexpr int kNoResources = 71;

// The address space that it has now, in bytes.
rlim_t AddressSpace(const Program& program) {
  const std::string pages = ReadFile("/proc/" + std::to_string(program.pid()) + "/statm");
  return std::stoull(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void LimitAddressSpace(const Program& program, rlim_t bytes) {
  rlimit space{};
  ASSERT_EQ(prlimit(program.pid(), RLIMIT_AS, nullptr, &space), 0);
  space.rlim_cur = bytes;
  ASSERT_EQ(prlimit(program.pid(), RLIMIT_AS, &space, nullptr), 0);
}

// A story: RocksDB aborted with an assertion of its own in the middle of a write.
TEST(Scarcity, OfMemoryEndsItWithALineAndLosesNothing) {
  ONCED_SKIP_SANITIZED();
  const TempFolder folder;
  const std::string result(300'000, 'r');
  int answered = 0;
  {
    Program program(folder.path());
    LimitAddressSpace(program, AddressSpace(program));
    constexpr int kEnough = 4'000;  // 1.2 GB: no memory is large enough by accident
    for (; answered < kEnough; ++answered) {
      const std::string body =
          "{\"key\":\"k" + std::to_string(answered) + "\",\"result\":\"" + result + "\"}";
      if (program.Ask("POST", "/v1/complete", body).status != 200) break;
    }
    ASSERT_LT(answered, kEnough);
    const Ended ended = program.WaitForEnd();
    EXPECT_EQ(ended.code, kNoResources) << ended.err;
    EXPECT_NE(ended.err.find("onced: out of memory: "), std::string::npos) << ended.err;
  }
  const Program program(folder.path());
  for (int i = 0; i < answered; ++i) {
    const HttpAnswer found = program.Ask("GET", "/v1/keys/k" + std::to_string(i) + "/result");
    ASSERT_EQ(found.status, 200) << i << " of " << answered;
    ASSERT_EQ(found.body.size(), result.size() + 2);
  }
}

TEST(Scarcity, IsToldAsTheOtherLinesAre) {
  ONCED_SKIP_SANITIZED();
  const TempFolder folder;
  Program program(folder.path(), {"--log-format", "json"});
  LimitAddressSpace(program, AddressSpace(program));
  const std::string body = "{\"key\":\"k\",\"result\":\"" + std::string(900'000, 'r') + "\"}";
  for (int i = 0; i < 2'000; ++i) {
    const std::string key = "{\"key\":\"" + std::to_string(i) + body.substr(9);
    if (program.Ask("POST", "/v1/complete", key).status != 200) break;
  }
  const Ended ended = program.WaitForEnd();
  EXPECT_EQ(ended.code, kNoResources) << ended.err;
  const size_t last = ended.err.rfind('\n', ended.err.size() - 2) + 1;
  EXPECT_TRUE(nlohmann::json::accept(ended.err.substr(last))) << ended.err;
  EXPECT_NE(ended.err.find("\"event\":\"leaving\"", last), std::string::npos) << ended.err;
}

// Whether what there is suffices or not: it serves, or says what it has too little of.
TEST(Scarcity, AtAStartIsSaid) {
  ONCED_SKIP_SANITIZED();
  int refused = 0;
  for (const char* megabytes : {"60", "100", "150", "200", "300", "400"}) {
    const TempFolder folder;
    Child child({"/usr/bin/prlimit", std::string("--as=") + megabytes + "000000", ONCED_PROGRAM,
                 "serve", "--log-format", "text", "--http", "127.0.0.1:0", "--data",
                 folder.path("data")});
    ASSERT_TRUE(Eventually([&] {
      return child.Ended() || child.Said().find("/v1/claim") != std::string::npos;
    })) << child.Said();
    if (!child.Ended()) continue;
    ++refused;
    // Below some megabytes not even its libraries are loaded.
    const bool not_loaded = child.code() == 127;
    EXPECT_TRUE(not_loaded || child.code() == kNoResources) << child.code() << child.Said();
    EXPECT_TRUE(not_loaded || child.Said().find("onced: out of ") != std::string::npos)
        << child.Said();
  }
  EXPECT_GT(refused, 0) << "it serves with 60 MB of address space";
}

}  // namespace
}  // namespace onced
