// SPDX-License-Identifier: MIT
// The program on a disk whose syncs take their time, and are written down: in sync mode no door
// answers a write before a sync has returned that was called after the write had come, and who asks
// how the program is does not wait for the disk. See also held_disk_test.cc.
//
// ONCED_SLOW=<n>: writes of each client. ONCED_SLOW_SYNC_MS=<n>: the longest of most syncs.
#include "tests/slow_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
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

using Written = std::map<std::string, std::vector<Moments>>;  // by what was asked

// One client, which notes how long each of its writes took, and that it was done.
class Writer {
 public:
  explicit Writer(const Program& program)
      : http_(program.Connect()), redis_(RedisPortOf(program)) {}

  HttpAnswer Post(const std::string& call, const std::string& json, int status) {
    HttpAnswer answer;
    Note(call, [&] {
      answer = http_.Ask("POST", "/v1/" + call, Json(json));
      return answer.status == status;
    });
    return answer;
  }
  void Redis(const Words& words, const std::string& reply) {
    Note(words[0], [&] { return redis_.Ask(words).find(reply) != std::string::npos; });
  }
  const Written& written() const { return written_; }

 private:
  template <typename Ask>
  void Note(const std::string& what, const Ask& ask) {
    Moments moments{.begin = NowNs()};
    EXPECT_TRUE(ask()) << what;
    moments.end = NowNs();
    written_[what].push_back(moments);
  }
  Client http_;
  RespClient redis_;
  Written written_;
};

// One client's writes: a run that is renewed and completed, one that is given back, one that ends
// in doubt; or the same by the Redis door, and a lock as it is taken there.
Written Write(const Program& program, size_t client, uint64_t times) {
  Writer writer(program);
  for (uint64_t i = 0; i < times; ++i) {
    const std::string key = "c" + std::to_string(client) + "-" + std::to_string(i);
    if (client % 2 != 0) {
      writer.Redis({"SET", key, "v", "NX", "EX", "1000"}, "+OK");
      writer.Redis({"ONCED.CLAIM", key}, "claimed");
      writer.Redis({"DEL", key}, ":1");
      continue;
    }
    const std::string by = "{'key':'" + key + "','fence':'" +
                           writer.Post("claim", "{'key':'" + key + "'}", 201).Field("/fence") +
                           "'}";
    if (i % 3 == 0) writer.Post("renew", by, 200);
    writer.Post(i % 3 == 0 ? "complete" : i % 3 == 1 ? "release" : "mark-unknown", by, 200);
  }
  return writer.written();
}

TEST(SlowDisk, IsWaitedForByEveryWriteAndByNobodyElse) {
  Proof proof("slow disks", "ONCED_SLOW", 10);
  const TempFolder folder;
  std::filesystem::create_directories(folder.path());
  const std::string trace = folder.path() + "/trace";
  const std::unique_ptr<Program> program =
      StartOnSlowDisk(folder.path() + "/data", {{"ONCED_SLOW_SYNC", trace}},
                      {"--durability", "sync", "--redis", "127.0.0.1:0"});
  std::vector<Written> written(kClients);
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

  const std::vector<Sync> syncs = LogSyncsIn(trace);
  std::map<std::string, size_t> waited;
  for (const Written& of_client : written) {
    for (const auto& [what, answers] : of_client) {
      for (const Moments& answer : answers) {
        ++proof.count;
        const bool one = std::any_of(syncs.begin(), syncs.end(), [&](const Sync& sync) {
          return sync.begin >= answer.begin && sync.end <= answer.end;
        });
        waited[what] += one ? 1 : 0;
        proof.failures += one ? 0 : 1;
      }
    }
  }
  proof.faults = syncs.size();
  EXPECT_EQ(proof.failures, 0u) << "answered before a sync of it had returned";
  const uint64_t runs = kClients / 2 * proof.rounds();
  for (const char* each : {"claim", "SET", "ONCED.CLAIM", "DEL"}) EXPECT_EQ(waited[each], runs);
  for (const auto& [what, each] : {std::pair<const char*, uint64_t>{"renew", 2},
                                   {"complete", 2},
                                   {"release", 1},
                                   {"mark-unknown", 0}}) {
    EXPECT_EQ(waited[what], kClients / 2 * ((proof.rounds() + each) / 3)) << what;
  }
  std::sort(probes.begin(), probes.end());
  const auto ms = [](int64_t ns) { return std::to_string(ns / 1'000'000); };
  int64_t longest = 0;
  for (const Sync& sync : syncs) {
    if (sync.end != Sync::kNever) longest = std::max(longest, sync.end - sync.begin);
  }
  proof.remark = "syncs up to " + ms(longest) + " ms, /livez up to " + ms(probes.back()) + " ms";
}

}  // namespace
}  // namespace onced
