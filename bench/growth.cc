// SPDX-License-Identifier: MIT
#include "bench/growth.h"

#include <httplib.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "bench/child.h"
#include "bench/load.h"
#include "bench/scripts.h"

namespace onced::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// `onced serve` that can be started again on what it has written.
class Growing {
 public:
  Growing(const std::string& program, std::vector<std::string> flags) {
    words_ = {program,  "serve", "--http",       "127.0.0.1:0",
              "--data", data(),  "--durability", "interval"};
    words_.insert(words_.end(), flags.begin(), flags.end());
    Start();
  }
  // Returns the seconds until it had answered.
  double Start() {
    const Clock::time_point begin = Clock::now();
    child_.emplace(Command{.words = words_}, folder_.path() / "log");
    port_ = std::atoi(child_->Await("API        http://127.0.0.1:").c_str());
    const auto answer = httplib::Client("127.0.0.1", port_).Get("/v1/keys/none?scope=bench");
    if (!answer || answer->status != 404) Fail("the grown server does not answer");
    return Since(begin);
  }
  void End(int signal) {
    if (!child_->End(signal)) Fail("the grown server does not stop");
    child_.reset();
  }
  int port() const { return port_; }
  int64_t ResidentKib() const { return child_->Kibibytes("VmRSS"); }
  int64_t BytesWritten() const { return child_->BytesWritten(); }
  int64_t BytesOnDisk() const {
    int64_t sum = 0;
    std::error_code gone;  // a file may be deleted meanwhile
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data(), gone)) {
      if (const auto size = entry.is_regular_file(gone) ? entry.file_size(gone) : 0; !gone) {
        sum += static_cast<int64_t>(size);
      }
    }
    return sum;
  }

 private:
  std::string data() const { return folder_.path() / "data"; }
  const TempFolder folder_;
  std::vector<std::string> words_;
  std::optional<Child> child_;
  int port_ = 0;
};

// Fills it with keys from..to: completed ones, with their results, a hundred a request.
void Fill(int port, int64_t from, int64_t to) {
  constexpr int64_t kAtOnce = 100;
  httplib::Client client("127.0.0.1", port);
  client.set_keep_alive(true);
  client.set_tcp_nodelay(true);
  client.set_read_timeout(std::chrono::seconds(60));
  for (int64_t begin = from; begin < to; begin += kAtOnce) {
    std::string body = "{\"operations\":[";
    for (int64_t key = begin; key < std::min(begin + kAtOnce, to); ++key) {
      if (key != begin) body += ',';
      body += R"({"op":"complete","scope":"bench","key":"grown-)" + std::to_string(key) +
              R"(","fingerprint":")" + std::string(64, 'f') + R"(","result":{"paid":true,"n":)" +
              std::to_string(key) + "}}";
    }
    body += "]}";
    // When it takes no more for a moment, it says so.
    for (int tried = 0;; ++tried) {
      const auto answer = client.Post("/v1/batch", body, "application/json");
      if (answer && answer->status == 200) break;
      if (tried > 600 || !answer || answer->status != 503) Fail("the server cannot be filled");
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
}

LoadResult Claims(int port, const std::string& prefix, int seconds, double per_second,
                  int64_t retention_ms) {
  const std::unique_ptr<PayingScript> script = ClaimScript({.prefix = prefix}, retention_ms);
  LoadResult load = RunLoad({.port = port,
                             .connections = 32,
                             .duration = std::chrono::seconds(seconds),
                             .per_second = per_second},
                            script.get());
  if (script->won() != load.begun || script->won_again() != 0)
    Fail("growth: wrong count of claims");
  return load;
}

void Keep(const std::string& file, const Json& line) {
  std::ofstream out(file, std::ios::app);
  if (!(out << line.dump() << std::endl)) Fail("cannot write " + file);
}

// How many bytes of keys, fingerprints and results a filled key has brought.
constexpr double kBytesOfAKey = 16 + 64 + 22;

// By how much of its mean a series grows in a minute, by least squares.
double SlopePerMinute(const std::vector<double>& values, double seconds_apart) {
  const auto count = static_cast<double>(values.size());
  double sum_x = 0;
  double sum_y = 0;
  double sum_xy = 0;
  double sum_xx = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = static_cast<double>(i) * seconds_apart / 60;
    sum_x += x;
    sum_y += values[i];
    sum_xy += x * values[i];
    sum_xx += x * x;
  }
  const double slope = (count * sum_xy - sum_x * sum_y) / (count * sum_xx - sum_x * sum_x);
  return slope / (sum_y / count);
}

}  // namespace

void MeasureGrowth(const GrowthOptions& options) {
  Growing server(options.onced, {});
  int64_t keys = 0;
  int64_t written = 0;
  for (const int64_t size : options.sizes) {
    const int64_t before = server.BytesWritten();
    const Clock::time_point begin = Clock::now();
    Fill(server.port(), keys, size);
    const double fill_seconds = Since(begin);
    const LoadResult load =
        Claims(server.port(), "at-" + std::to_string(size), options.seconds, 0, 0);
    written += server.BytesWritten() - before;
    keys = size;
    const int64_t resident_kib = server.ResidentKib();
    server.End(SIGTERM);
    const double stopped_seconds = server.Start();
    Claims(server.port(), "then-" + std::to_string(size), options.seconds, 0, 0);
    server.End(SIGKILL);
    const double killed_seconds = server.Start();
    const int64_t disk = server.BytesOnDisk();
    const double amplification =
        static_cast<double>(written) / (static_cast<double>(keys) * kBytesOfAKey);
    Keep(options.raw, {{"part", "growth"},
                       {"keys", size},
                       {"filled_per_second", static_cast<double>(size) / fill_seconds},
                       {"per_second", load.per_second},
                       {"p99_us", load.latency_us.Percentile(99)},
                       {"most_us", load.latency_us.max()},
                       {"resident_kib", resident_kib},
                       {"disk_bytes", disk},
                       {"stopped_seconds", stopped_seconds},
                       {"killed_seconds", killed_seconds},
                       {"write_amplification", amplification}});
    std::printf(
        "growth       %lld keys: %.0f claims and completions/s, p99 %.2f ms, %lld MiB resident, "
        "%lld MiB on disk, start %.2f s, after kill -9 %.2f s, %.1f bytes written for each\n",
        static_cast<long long>(size), load.per_second,
        static_cast<double>(load.latency_us.Percentile(99)) / 1e3,
        static_cast<long long>(resident_kib / 1024), static_cast<long long>(disk >> 20),
        stopped_seconds, killed_seconds, amplification);
    std::fflush(stdout);
  }
}

void MeasureTurnover(const TurnoverOptions& options) {
  constexpr int kParts = 10;
  Growing server(options.onced, {"--audit", "off"});
  const int part_seconds = std::max(1, options.seconds / kParts);
  std::vector<double> disk;
  std::vector<double> p99;
  for (int part = 0; part < kParts; ++part) {
    const LoadResult load = Claims(server.port(), "turn-" + std::to_string(part), part_seconds,
                                   options.per_second, options.retention_seconds * 1'000);
    const int64_t bytes = server.BytesOnDisk();
    if ((part + 1) * part_seconds > 2 * options.retention_seconds) {
      disk.push_back(static_cast<double>(bytes));
      p99.push_back(static_cast<double>(load.latency_us.Percentile(99)));
    }
    Keep(options.raw, {{"part", "turnover"},
                       {"second", (part + 1) * part_seconds},
                       {"retention_seconds", options.retention_seconds},
                       {"rate", options.per_second},
                       {"per_second", load.per_second},
                       {"p99_us", load.latency_us.Percentile(99)},
                       {"resident_kib", server.ResidentKib()},
                       {"disk_bytes", bytes}});
    std::printf("turnover     after %d s: %.0f/s, p99 %.2f ms, %lld MiB on disk\n",
                (part + 1) * part_seconds, load.per_second,
                static_cast<double>(load.latency_us.Percentile(99)) / 1e3,
                static_cast<long long>(bytes >> 20));
    std::fflush(stdout);
  }
  if (disk.size() < 3) return;
  std::printf("turnover     a minute adds %+.0f %% to the disk and %+.0f %% to the p99\n",
              SlopePerMinute(disk, part_seconds) * 100, SlopePerMinute(p99, part_seconds) * 100);
}

}  // namespace onced::bench
