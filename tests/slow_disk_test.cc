// SPDX-License-Identifier: MIT
// The program on a disk whose syncs take their time, and are written down: in sync mode no door
// answers a write before a sync has returned that was called after the write had come; and who asks
// how the program is does not wait for the disk.
//
// ONCED_SLOW=<n>: writes of each client. ONCED_SLOW_SYNC_MS=<n>: the longest sync.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/program.h"
#include "tests/proof.h"
#include "tests/redis.h"

namespace onced {
namespace {

constexpr size_t kClients = 12;

struct Moments {
  int64_t begin = 0;
  int64_t end = 0;
};

int64_t NowNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// The program with the library of broken_sync.cc.
std::unique_ptr<Program> StartOnSlowDisk(const TempFolder& folder, const std::string& trace) {
  const std::pair<const char*, std::string> variables[] = {
      {"LD_PRELOAD", ONCED_BROKEN_SYNC},
      {"ONCED_SLOW_SYNC", trace},
      // ASan wants to be the first library; ours only stands in for fdatasync.
      {"ASAN_OPTIONS", "verify_asan_link_order=0"}};
  for (const auto& [name, value] : variables) setenv(name, value.c_str(), 1);
  auto program = std::make_unique<Program>(
      folder.path() + "/data",
      std::vector<std::string>{"--durability", "sync", "--redis", "127.0.0.1:0"});
  for (const auto& [name, value] : variables) unsetenv(name);
  return program;
}

// One client's writes, by the API or by the Redis door.
std::vector<Moments> Write(const Program& program, size_t client, uint64_t times) {
  std::vector<Moments> answered;
  Client http = program.Connect();
  RespClient redis(RedisPortOf(program));
  for (uint64_t i = 0; i < times; ++i) {
    const std::string key = "c" + std::to_string(client) + "-" + std::to_string(i);
    Moments moments{.begin = NowNs()};
    const bool done =
        client % 2 == 0 ? http.Ask("POST", "/v1/claim", Json("{'key':'" + key + "'}")).status == 201
                        : redis.Ask("SET " + key + " v NX EX 1000") == "+OK\r\n";
    moments.end = NowNs();
    EXPECT_TRUE(done) << key;
    answered.push_back(moments);
  }
  return answered;
}

TEST(SlowDisk, IsWaitedForByEveryWriteAndByNobodyElse) {
  Proof proof("slow disks", "ONCED_SLOW", 10);
  const TempFolder folder;
  std::filesystem::create_directories(folder.path());
  const std::string trace = folder.path() + "/trace";
  const std::unique_ptr<Program> program = StartOnSlowDisk(folder, trace);
  std::vector<std::vector<Moments>> written(kClients);
  std::vector<std::thread> clients;
  for (size_t c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] { written[c] = Write(*program, c, proof.rounds()); });
  }
  std::vector<int64_t> probes;
  for (uint64_t i = 0; i < 5 * proof.rounds(); ++i) {
    const int64_t begin = NowNs();
    EXPECT_EQ(program->Ask("GET", "/livez").status, 200);
    probes.push_back(NowNs() - begin);
  }
  for (std::thread& client : clients) client.join();

  std::vector<Moments> syncs;
  std::ifstream lines(trace);
  for (Moments sync; lines >> sync.begin >> sync.end;) syncs.push_back(sync);
  for (const auto& of_client : written) {
    for (const Moments& answer : of_client) {
      ++proof.count;
      const bool waited = std::any_of(syncs.begin(), syncs.end(), [&](const Moments& sync) {
        return sync.begin >= answer.begin && sync.end <= answer.end;
      });
      if (!waited) ++proof.failures;
    }
  }
  proof.faults = syncs.size();
  EXPECT_EQ(proof.failures, 0u) << "answered before a sync of it had returned";
  EXPECT_EQ(proof.count, kClients * proof.rounds());
  std::sort(probes.begin(), probes.end());
  const auto ms = [](int64_t ns) { return std::to_string(ns / 1'000'000); };
  int64_t longest = 0;
  for (const Moments& sync : syncs) longest = std::max(longest, sync.end - sync.begin);
  proof.remark = "syncs up to " + ms(longest) + " ms, /livez up to " + ms(probes.back()) + " ms";
}

}  // namespace
}  // namespace onced
