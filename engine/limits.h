// SPDX-License-Identifier: MIT
// The limits of what a command may say. The ledger enforces them for every door; a door publishes
// them and adds its own for what it reads off a socket.
//
// Threads: constants.
// Invariants: both ends are inclusive.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onced {

constexpr int64_t kLeaseMinMs = 100;
constexpr int64_t kLeaseMaxMs = 3'600'000;
constexpr int64_t kLeaseDefaultMs = 30'000;
constexpr int64_t kRetentionMinMs = 1'000;
constexpr int64_t kRetentionMaxMs = 30LL * 24 * 3'600'000;
constexpr int64_t kRetentionDefaultMs = 24LL * 3'600'000;
constexpr int64_t kWaitMaxMs = 30'000;
constexpr size_t kFingerprintMax = 128;
constexpr size_t kClaimIdMax = 64;
constexpr size_t kHolderMax = 128;
constexpr size_t kResultMax = size_t{16} << 20;
constexpr size_t kBatchMax = 1'000;
constexpr size_t kBatchResultBytesMax = size_t{1} << 20;
constexpr size_t kListMax = 1'000;

}  // namespace onced
