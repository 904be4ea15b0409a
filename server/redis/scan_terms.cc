// SPDX-License-Identifier: MIT
#include "server/redis/scan_terms.h"

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "server/redis/argument.h"
#include "server/redis/interpreter.h"

namespace onced::redis {

// As C's strtoul reads it, which takes nothing for 0 and a negative number for a large one.
bool ExpectCursor(Call& call, std::string_view text, uint64_t* cursor) {
  const std::string copy(CText(text));
  const bool begins = copy.empty() || !std::isspace(static_cast<unsigned char>(copy[0]));
  char* end = nullptr;
  errno = 0;
  *cursor = std::strtoul(copy.c_str(), &end, 10);
  if (begins && *end == '\0' && errno != ERANGE) return true;
  call.reply.Error("ERR invalid cursor");
  return false;
}

bool ExpectScanTerms(Call& call, size_t from, bool with_type, ScanTerms* terms) {
  for (size_t i = from; i < call.size(); i += 2) {
    const bool more = i + 1 < call.size();
    if (Is(call[i], "count") && more) {
      int64_t count = 0;
      if (!ExpectInteger(call, call[i + 1], &count)) return false;
      if (count < 1) {
        call.reply.Error(kSyntax);
        return false;
      }
      terms->count = static_cast<size_t>(count);
    } else if (Is(call[i], "match") && more) {
      terms->pattern = call[i + 1];
    } else if (Is(call[i], "type") && more && with_type) {
      terms->type = call[i + 1];
    } else {
      call.reply.Error(kSyntax);
      return false;
    }
  }
  return true;
}

}  // namespace onced::redis
