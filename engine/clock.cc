// SPDX-License-Identifier: MIT
#include "engine/clock.h"

#include <sys/timex.h>
#include <time.h>

#include <algorithm>
#include <fstream>

namespace onced {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kBelievableLeapMs = 24LL * 3600 * 1000;
constexpr int64_t kSlewPerMillion = 500;

int64_t ReadNs(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return static_cast<int64_t>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}

class SystemTimeSource : public TimeSource {
 public:
  int64_t BoottimeNs() override { return ReadNs(CLOCK_BOOTTIME); }
  int64_t WallNs() override { return ReadNs(CLOCK_REALTIME); }
  bool WallSynchronised() override {
    timex query{};
    const int state = adjtimex(&query);
    return state >= 0 && state != TIME_ERROR && (query.status & STA_UNSYNC) == 0;
  }
  std::string BootId() override {
    std::string id;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
    return id;
  }
};

}  // namespace

std::unique_ptr<TimeSource> NewSystemTimeSource() { return std::make_unique<SystemTimeSource>(); }

GuardedClock::GuardedClock(std::unique_ptr<TimeSource> source,
                           const std::optional<ClockAnchor>& saved)
    : source_(std::move(source)), boot_id_(source_->BootId()) {
  const int64_t boottime_ns = source_->BoottimeNs();
  const int64_t wall_ns = source_->WallNs();
  disciplined_at_ns_ = boottime_ns;
  const int64_t floor_ms = saved.has_value() ? saved->now_ms : kWrittenMs;
  const int64_t leap_ms = wall_ns / kNsPerMs - floor_ms;
  const bool far = saved.has_value() && leap_ms >= kBelievableLeapMs;
  int64_t start_ns = wall_ns;
  if (saved.has_value() && !boot_id_.empty() && saved->boot_id == boot_id_) {
    start_ns = floor_ms * kNsPerMs + (boottime_ns - saved->boottime_ms * kNsPerMs);
    in_doubt_ = saved->in_doubt;
  } else if (leap_ms < 0 || (far && !source_->WallSynchronised())) {
    start_ns = floor_ms * kNsPerMs + boottime_ns;
    in_doubt_ = true;
  }
  if (saved.has_value()) start_ns = std::max(start_ns, floor_ms * kNsPerMs);
  offset_ns_ = start_ns - boottime_ns;
  latest_ms_ = start_ns / kNsPerMs;
}

int64_t GuardedClock::NowMs() {
  const int64_t now_ms =
      (source_->BoottimeNs() + offset_ns_.load(std::memory_order_relaxed)) / kNsPerMs;
  // A slew backwards is smaller than a tick but could still show on a millisecond's edge.
  int64_t latest = latest_ms_.load(std::memory_order_relaxed);
  while (now_ms > latest &&
         !latest_ms_.compare_exchange_weak(latest, now_ms, std::memory_order_relaxed)) {
  }
  return std::max(now_ms, latest);
}

void GuardedClock::Discipline() {
  const int64_t boottime_ns = source_->BoottimeNs();
  const int64_t offset_ns = offset_ns_.load(std::memory_order_relaxed);
  const int64_t error_ns = source_->WallNs() - (boottime_ns + offset_ns);
  const int64_t allowed_ns = (boottime_ns - disciplined_at_ns_) / 1'000'000 * kSlewPerMillion;
  disciplined_at_ns_ = boottime_ns;
  if (in_doubt_.load(std::memory_order_relaxed)) {
    if (error_ns >= 0 && source_->WallSynchronised()) {
      offset_ns_.store(offset_ns + error_ns, std::memory_order_relaxed);
      in_doubt_.store(false, std::memory_order_relaxed);
    }
    return;
  }
  offset_ns_.store(offset_ns + std::clamp(error_ns, -allowed_ns, allowed_ns),
                   std::memory_order_relaxed);
}

ClockAnchor GuardedClock::Anchor() {
  // BOOTTIME first: a pause between the two reads then only makes the saved pair run late.
  const int64_t boottime_ms = source_->BoottimeNs() / kNsPerMs;
  return {
      .boot_id = boot_id_, .boottime_ms = boottime_ms, .now_ms = NowMs(), .in_doubt = InDoubt()};
}

}  // namespace onced
