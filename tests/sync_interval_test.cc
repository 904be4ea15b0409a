// SPDX-License-Identifier: MIT
// --sync-interval reaches the disk: of programs in interval mode that are written to at the same
// time, one with a short interval syncs its log often, while one that was told nothing has done so
// a few times; and one with a long interval not once, meanwhile. Judged by the order of the syncs
// alone, so it does not matter how fast the machine is.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/program.h"
#include "tests/slow_disk.h"

namespace onced {
namespace {

// In interval mode, on a disk of its own that notes every sync of the log.
class Syncing {
 public:
  Syncing(const TempFolder& folder, const std::string& interval)
      : trace_(folder.path() + "/trace" + interval) {
    std::filesystem::create_directories(folder.path());
    std::vector<std::string> flags{"--durability", "interval"};
    if (!interval.empty()) flags.insert(flags.end(), {"--sync-interval", interval});
    program_ = StartOnSlowDisk(folder.path() + "/data" + interval,
                               {{"ONCED_SLOW_SYNC", trace_}, {"ONCED_SLOW_SYNC_MS", "0"}}, flags);
    client_ = std::make_unique<Client>(program_->Connect());
  }
  void Write() {
    const std::string key = "{'key':'k" + std::to_string(written_++) + "'}";
    EXPECT_EQ(client_->Ask("POST", "/v1/claim", Json(key)).status, 201);
  }
  std::vector<Sync> SyncsSince(int64_t ns) const {
    std::vector<Sync> syncs = LogSyncsIn(trace_);
    std::erase_if(syncs, [ns](const Sync& sync) { return sync.begin < ns; });
    return syncs;
  }

 private:
  const std::string trace_;
  std::unique_ptr<Program> program_;
  std::unique_ptr<Client> client_;
  size_t written_ = 0;
};

TEST(SyncInterval, IsHowOftenTheLogIsSynced) {
  constexpr size_t kFew = 8;  // of the default, 100 ms
  constexpr size_t kMany = 2 * kFew;
  const TempFolder folder;
  Syncing never(folder, "60s");
  Syncing usual(folder, "");
  Syncing often(folder, "1ms");
  const int64_t begun = NowNs();
  ASSERT_TRUE(Eventually([&] {
    for (Syncing* one : {&never, &usual, &often}) one->Write();
    return usual.SyncsSince(begun).size() >= kFew && often.SyncsSince(begun).size() >= kMany;
  }));
  EXPECT_LT(often.SyncsSince(begun)[kMany - 1].end, usual.SyncsSince(begun)[kFew - 1].end);
  EXPECT_EQ(never.SyncsSince(begun).size(), 0u);
}

}  // namespace
}  // namespace onced
