// SPDX-License-Identifier: MIT
// What RespParser makes of bytes that come in pieces: the commands, and the error at the end.
//
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "server/redis/resp_parser.h"

namespace onced {

struct RespPieces {
  std::vector<std::vector<std::string>> commands;
  std::string error;
  bool operator==(const RespPieces&) const = default;
};

// The first piece ends at `first`, the others each `step` further.
inline RespPieces ParsedInPieces(std::string_view bytes, size_t first, size_t step,
                                 const redis::RespLimits& limits = {}) {
  using redis::RespParser;
  RespPieces parsed;
  RespParser parser;
  size_t begin = 0;
  for (size_t end = 0; end < bytes.size();) {
    end = std::min(end == 0 ? first : end + step, bytes.size());
    for (bool more = true; more;) {
      // A copy of just these bytes, so that a sanitizer sees a read past their end.
      const std::string input(bytes.substr(begin, end - begin));
      size_t consumed = 0;
      const RespParser::Progress progress = parser.Next(input, limits, &consumed);
      if (progress == RespParser::Progress::kBroken) {
        parsed.error = parser.error();
        return parsed;
      }
      if (progress == RespParser::Progress::kCommand) {
        parsed.commands.emplace_back(parser.arguments().begin(), parser.arguments().end());
      }
      more = progress != RespParser::Progress::kNeedsMore;
      begin += consumed;
    }
  }
  return parsed;
}

}  // namespace onced
