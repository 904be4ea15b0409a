// SPDX-License-Identifier: MIT
#include "engine/record.h"

#include <algorithm>

#include "engine/coding.h"

namespace onced {
namespace {

constexpr uint8_t kFlagOnLapseUnknown = 1;
constexpr uint8_t kFlagHasResult = 2;
constexpr uint8_t kFlagResolved = 4;
// Kept free for results stored in a column family of their own; this version refuses such a record.
constexpr uint8_t kFlagResultElsewhere = 8;
constexpr uint8_t kFlagLocal = 16;
constexpr uint8_t kKnownFlags = kFlagOnLapseUnknown | kFlagHasResult | kFlagResolved | kFlagLocal;
static_assert((kKnownFlags & kFlagResultElsewhere) == 0);

int64_t Later(int64_t at_ms, int64_t by_ms) {
  return at_ms > kNeverMs - by_ms ? kNeverMs : at_ms + by_ms;
}

}  // namespace

int64_t Record::DeadAtMs() const {
  // Whether its process is gone the stored bytes cannot say, and the TTL filter reads nothing else:
  // so its death does not depend on it, nor on when the next process came up.
  if (local) {
    return unknown_retention_ms == 0 ? kNeverMs : Later(lease_until_ms, unknown_retention_ms);
  }
  switch (state) {
    case State::kInFlight:
      return Later(lease_until_ms, retention_ms);
    case State::kCompleted:
      return Later(completed_at_ms, retention_ms);
    case State::kUnknown:
      return unknown_retention_ms == 0 ? kNeverMs : Later(unknown_at_ms, unknown_retention_ms);
  }
  ONCED_CHECK(false);
}

std::string Record::Encode() const {
  ONCED_CHECK(!local || (state == State::kInFlight && on_lapse == OnLapse::kUnknown));
  const size_t result_size = result.has_value() ? result->size() : 0;
  std::string out;
  out.reserve(80 + fingerprint.size() + claim_id.size() + holder.size() + result_size);
  uint8_t flags = on_lapse == OnLapse::kUnknown ? kFlagOnLapseUnknown : uint8_t{0};
  if (result.has_value()) flags |= kFlagHasResult;
  if (resolved) flags |= kFlagResolved;
  if (local) flags |= kFlagLocal;
  ByteWriter w(&out);
  w.Fixed(kFormatVersion);
  w.Fixed(static_cast<uint8_t>(state));
  w.Fixed(flags);
  w.Fixed(uint8_t{0});
  ONCED_CHECK(out.size() == kDeadAtOffset);
  w.Fixed(DeadAtMs());
  w.Fixed(fence);
  w.Fixed(claimed_at_ms);
  w.Fixed(lease_until_ms);
  w.Fixed(retention_ms);
  w.Fixed(unknown_retention_ms);
  w.Fixed(unknown_at_ms);
  w.Fixed(completed_at_ms);
  w.Fixed(attempt);
  w.Short(fingerprint);
  w.Short(claim_id);
  w.Short(holder);
  if (result.has_value()) out.append(*result);
  return out;
}

Result<Record> Record::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.Fixed<uint8_t>() != kFormatVersion) {
    return Status::Corruption("decode record: unknown version");
  }
  Record r;
  const auto state = in.Fixed<uint8_t>();
  const auto flags = in.Fixed<uint8_t>();
  const auto reserved = in.Fixed<uint8_t>();
  const auto dead_at_ms = in.Fixed<int64_t>();
  r.fence = in.Fixed<uint64_t>();
  r.claimed_at_ms = in.Fixed<int64_t>();
  r.lease_until_ms = in.Fixed<int64_t>();
  r.retention_ms = in.Fixed<int64_t>();
  r.unknown_retention_ms = in.Fixed<int64_t>();
  r.unknown_at_ms = in.Fixed<int64_t>();
  r.completed_at_ms = in.Fixed<int64_t>();
  r.attempt = in.Fixed<uint32_t>();
  r.fingerprint = in.Short();
  r.claim_id = in.Short();
  r.holder = in.Short();
  const std::string_view result = in.Rest();
  const bool has_result = (flags & kFlagHasResult) != 0;
  if (!in.ok() || state < 1 || state > 3 || (flags & ~kKnownFlags) != 0 || reserved != 0 ||
      r.fence == 0 || (!has_result && !result.empty()) || r.retention_ms < 0 ||
      r.unknown_retention_ms < 0) {
    return Status::Corruption("decode record: malformed");
  }
  r.state = static_cast<State>(state);
  r.on_lapse = (flags & kFlagOnLapseUnknown) != 0 ? OnLapse::kUnknown : OnLapse::kRetry;
  r.resolved = (flags & kFlagResolved) != 0;
  r.local = (flags & kFlagLocal) != 0;
  if (r.local && (r.state != State::kInFlight || r.on_lapse != OnLapse::kUnknown)) {
    return Status::Corruption("decode record: a local run that cannot be");
  }
  if (has_result) r.result.emplace(result);
  if (dead_at_ms != r.DeadAtMs()) return Status::Corruption("decode record: time of death differs");
  return r;
}

std::optional<int64_t> StoredDeadAtMs(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.Fixed<uint8_t>() != kFormatVersion) return std::nullopt;
  in.Fixed<uint8_t>();
  in.Fixed<uint8_t>();
  in.Fixed<uint8_t>();
  const auto dead_at_ms = in.Fixed<int64_t>();
  if (!in.ok()) return std::nullopt;
  return dead_at_ms;
}

}  // namespace onced
