// SPDX-License-Identifier: MIT
// Crowds: many connections at a time, and what they do to the one who only wants to be served.
//
// Threads: each object belongs to one; a Pulse brings one of its own.
// Invariants: times are told, and judged only against bounds that a busy machine keeps.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/program.h"

namespace onced {

using Milliseconds = std::chrono::duration<double, std::milli>;

// So many connections as were wished for, or as the machine's limit on open files allows.
// A test of a crowd is skipped, with a word, where there is room for fewer than kSmallestCrowd.
constexpr size_t kSmallestCrowd = 500;
inline size_t RoomFor(size_t wished) {
  constexpr rlim_t kOthers = 300;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const size_t room = std::min<size_t>(wished, files.rlim_cur - std::min(files.rlim_cur, kOthers));
  if (room < wished) std::printf("only %zu connections: open files are limited\n", room);
  return room;
}

inline std::vector<Client> Crowd(const Program& program, size_t count) {
  std::vector<Client> crowd;
  crowd.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    crowd.push_back(program.Connect());
    if (!crowd.back().connected()) throw std::runtime_error("connect " + std::to_string(i));
  }
  return crowd;
}

inline double P99(std::vector<double> times) {
  if (times.empty()) return 0;
  std::sort(times.begin(), times.end());
  return times[times.size() * 99 / 100];
}

// One good client that asks again and again, on a thread of its own, and how long it waits.
class Pulse {
 public:
  explicit Pulse(const Program& program)
      : client_(program.Connect()), thread_([this] { Beat(); }) {}
  ~Pulse() { Stop(); }
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  // The times since the last call, in ms.
  std::vector<double> Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return times_;
  }
  size_t failed() const { return failed_; }

 private:
  void Beat() {
    for (int i = 0; !stop_; ++i) {
      const auto begun = std::chrono::steady_clock::now();
      const std::string key = "pulse" + std::to_string(i);
      const int status = client_.Ask("POST", "/v1/claim", "{\"key\":\"" + key + "\"}").status;
      times_.push_back(Milliseconds(std::chrono::steady_clock::now() - begun).count());
      failed_ += status == 201 || status == 409 ? 0 : 1;
    }
  }

  Client client_;
  std::atomic<bool> stop_{false};
  std::vector<double> times_;
  std::atomic<size_t> failed_{0};
  std::thread thread_;
};

// Lets `while_running` run beside a good client.
template <typename Run>
std::vector<double> Beside(const Program& program, const Run& while_running) {
  Pulse pulse(program);
  while_running();
  std::vector<double> times = pulse.Stop();
  EXPECT_EQ(pulse.failed(), 0u);
  EXPECT_GT(times.size(), 0u);
  return times;
}

inline void Tell(const std::string& what, const std::vector<double>& quiet,
                 const std::vector<double>& loaded) {
  std::printf("%s: p99 of a claim %.2f ms quiet, %.2f ms beside it (%.1fx)\n", what.c_str(),
              P99(quiet), P99(loaded), P99(loaded) / P99(quiet));
}

}  // namespace onced
