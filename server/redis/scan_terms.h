// SPDX-License-Identifier: MIT
// ScanTerms: what SCAN and its kin are asked for: from which cursor, and which of all they meet.
//
// Threads: values of one command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "server/redis/command.h"

namespace onced::redis {

struct ScanTerms {
  std::string_view pattern = "*";
  size_t count = 10;
  std::optional<std::string_view> type;  // of SCAN alone
};

// Each answers with an error, and is false, when it was given what is none.
bool ExpectCursor(Call& call, std::string_view text, uint64_t* cursor);
bool ExpectScanTerms(Call& call, size_t from, bool with_type, ScanTerms* terms);

}  // namespace onced::redis
