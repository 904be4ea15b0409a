// SPDX-License-Identifier: MIT
#include "engine/run.h"

#include "engine/coding.h"

namespace onced {
namespace {

constexpr uint8_t kKindRun = 0x52;  // 'R': a record's second byte is its state, never this

}  // namespace

Run Run::Of(const Record& record, int64_t now_ms) {
  Run run{.fence = record.fence,
          .attempt = record.attempt,
          .holder = record.holder,
          .events = {{EventType::kClaimed, record.claimed_at_ms}}};
  const auto earliest = [](int64_t a, int64_t b) { return a == 0 || (b != 0 && b < a) ? b : a; };
  const int64_t ended_ms = earliest(record.unknown_at_ms, record.completed_at_ms);
  if (record.lease_until_ms <= (ended_ms == 0 ? now_ms : ended_ms) &&
      record.lease_until_ms > record.claimed_at_ms) {
    run.events.push_back({EventType::kLapsed, record.lease_until_ms});
  }
  if (record.unknown_at_ms != 0) {
    run.events.push_back({EventType::kMarkedUnknown, record.unknown_at_ms});
  }
  if (record.completed_at_ms != 0) {
    run.events.push_back(
        {record.resolved ? EventType::kResolved : EventType::kCompleted, record.completed_at_ms});
  }
  return run;
}

std::string Run::Encode(int64_t dead_at_ms) const {
  std::string out;
  out.reserve(18 + events.size() * 9 + holder.size());
  ByteWriter w(&out);
  w.Fixed(kFormatVersion);
  w.Fixed(kKindRun);
  w.Fixed(uint16_t{0});
  w.Fixed(dead_at_ms);
  w.Fixed(attempt);
  ONCED_CHECK(events.size() <= UINT8_MAX);
  w.Fixed(static_cast<uint8_t>(events.size()));
  for (const RunEvent& event : events) {
    w.Fixed(static_cast<uint8_t>(event.type));
    w.Fixed(event.at_ms);
  }
  w.Short(holder);
  return out;
}

Result<Run> Run::Decode(std::string_view bytes, uint64_t fence) {
  ByteReader in(bytes);
  const auto version = in.Fixed<uint8_t>();
  const auto kind = in.Fixed<uint8_t>();
  if (version != kFormatVersion || kind != kKindRun) {
    return Status::Corruption("decode run: unknown version");
  }
  const auto reserved = in.Fixed<uint16_t>();
  in.Fixed<int64_t>();
  Run run;
  run.fence = fence;
  run.attempt = in.Fixed<uint32_t>();
  const auto count = in.Fixed<uint8_t>();
  for (int i = 0; i < count; ++i) {
    const auto type = in.Fixed<uint8_t>();
    const auto at_ms = in.Fixed<int64_t>();
    if (type < 1 || type > static_cast<uint8_t>(EventType::kForgotten)) {
      return Status::Corruption("decode run: malformed");
    }
    run.events.push_back({static_cast<EventType>(type), at_ms});
  }
  run.holder = in.Short();
  if (!in.ok() || !in.Rest().empty() || reserved != 0)
    return Status::Corruption("decode run: malformed");
  return run;
}

}  // namespace onced
