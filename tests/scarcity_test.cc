// SPDX-License-Identifier: MIT
// A machine that gives the program no more memory or threads: it ends, says why, and what was
// answered is there at the next start.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "server/operations/last_resort.h"
#include "tests/child.h"
#include "tests/held_stderr.h"
#include "tests/program.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ONCED_SKIP_SANITIZED() GTEST_SKIP() << "a sanitizer takes address space as it likes"
#else
#define ONCED_SKIP_SANITIZED()                          \
  if (getenv("ONCED_PROGRAM") != nullptr) {             \
    GTEST_SKIP() << "another program: it may have one"; \
  }                                                     \
  (void)0
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

// A thread that finds no memory for its first thread_local is the end for glibc, which says so
// itself. Seldom, for that is little.
bool EndedByLibrary(const Ended& ended) {
  return ended.code == -SIGABRT && ended.err.find("Fatal glibc error") != std::string::npos;
}

// Each of its threads has had some work, and with it its thread_locals.
void WarmUp(const Program& program) {
  for (int i = 0; i < 200; ++i) {
    const std::string body = "{\"key\":\"warm" + std::to_string(i) + "\"}";
    ASSERT_EQ(program.Ask("POST", "/v1/complete", body).status, 200);
  }
}

// A story: RocksDB aborted with an assertion of its own in the middle of a write.
TEST(Scarcity, OfMemoryEndsItWithALineAndLosesNothing) {
  ONCED_SKIP_SANITIZED();
  const TempFolder folder;
  const std::string result(300'000, 'r');
  int answered = 0;
  {
    Program program(folder.path());
    WarmUp(program);
    LimitAddressSpace(program, AddressSpace(program));
    constexpr int kEnough = 4'000;  // 1.2 GB: no memory is large enough by accident
    for (; answered < kEnough; ++answered) {
      const std::string body =
          "{\"key\":\"k" + std::to_string(answered) + "\",\"result\":\"" + result + "\"}";
      if (program.Ask("POST", "/v1/complete", body).status != 200) break;
    }
    ASSERT_LT(answered, kEnough);
    const Ended ended = program.WaitForEnd();
    if (!EndedByLibrary(ended)) {
      EXPECT_EQ(ended.code, kNoResources) << ended.err;
      EXPECT_NE(ended.err.find("onced: out of memory: "), std::string::npos) << ended.err;
    }
  }
  const Program program(folder.path());
  for (int i = 0; i < answered; ++i) {
    const HttpAnswer found = program.Ask("GET", "/v1/keys/k" + std::to_string(i) + "/result");
    ASSERT_EQ(found.status, 200) << i << " of " << answered;
    ASSERT_EQ(found.body.size(), result.size() + 2);
  }
}

// How it ends that runs out of memory, once that is by its own doing; `disk` hangs by then.
Ended RunOut(const std::vector<std::string>& flags, const HeldStderr* disk = nullptr) {
  const std::string body = "{\"key\":\"k\",\"result\":\"" + std::string(900'000, 'r') + "\"}";
  Ended ended;
  for (int tries = 0; tries < 5; ++tries) {
    const TempFolder folder;
    if (disk != nullptr) disk->LetGo();
    Program program(folder.path(), flags);
    WarmUp(program);
    LimitAddressSpace(program, AddressSpace(program));
    if (disk != nullptr) disk->Hold();
    for (int i = 0; i < 2'000; ++i) {
      const std::string key = "{\"key\":\"" + std::to_string(i) + body.substr(9);
      if (program.Ask("POST", "/v1/complete", key).status != 200) break;
    }
    ended = program.WaitForEnd();
    if (!EndedByLibrary(ended)) break;
  }
  return ended;
}

TEST(Scarcity, IsToldAsTheOtherLinesAre) {
  ONCED_SKIP_SANITIZED();
  const Ended ended = RunOut({"--log-format", "json"});
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

// How a process ends that has no more memory, its stderr `err`: its exit code, minus the signal, or
// 0 when it does not end.
int EndsWithoutMemory(int err, int threads = 1) {
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(err, STDERR_FILENO);
    InstallLastResort();
    SayLastResortAsJson();
    std::atomic<int> ready{0};
    const auto run_out = [&] {
      ++ready;
      while (ready < threads) continue;
      std::get_new_handler()();
    };
    for (int i = 1; i < threads; ++i) std::thread(run_out).detach();
    run_out();
    _exit(0);
  }
  int how = 0;
  if (!Eventually([&] { return waitpid(pid, &how, WNOHANG) == pid; })) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return 0;
  }
  return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

TEST(Scarcity, EndsItThoughNobodyReadsStderr) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  while (write(ends[1], "x", 1) == 1) continue;
  ASSERT_EQ(fcntl(ends[1], F_SETFL, 0), 0);
  EXPECT_EQ(EndsWithoutMemory(ends[1]), kNoResources) << "a pipe that nobody reads";
  close(ends[1]);
  close(ends[0]);
}

TEST(Scarcity, EndsItThoughStderrIsOnADiskThatHangs) {
  ONCED_SKIP_SANITIZED();
  const HeldStderr disk;
  EXPECT_EQ(RunOut({}, &disk).code, kNoResources);
}

TEST(Scarcity, IsSaidOnceAndAsOneLine) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "it wants no threads after a fork";
#endif
  for (int i = 0; i < 50; ++i) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    EXPECT_EQ(EndsWithoutMemory(ends[1], 4), kNoResources);
    close(ends[1]);
    std::string said(4'096, ' ');
    said.resize(static_cast<size_t>(std::max<ssize_t>(read(ends[0], said.data(), said.size()), 0)));
    close(ends[0]);
    ASSERT_TRUE(nlohmann::json::accept(said)) << said;
    ASSERT_TRUE(said.ends_with("\"}\n")) << said;
  }
}

}  // namespace
}  // namespace onced
