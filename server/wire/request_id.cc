// SPDX-License-Identifier: MIT
#include "server/wire/request_id.h"

#include <algorithm>

#include "server/wire/chance.h"
#include "server/wire/wall_time.h"

namespace onced::wire {

RequestId RequestId::New() {
  constexpr uint64_t kVersion = 0x7000;
  constexpr uint64_t kVariant = uint64_t{1} << 63;
  const auto ms = static_cast<uint64_t>(UnixUs() / 1'000);
  const uint64_t low = (Chance() & ~(uint64_t{3} << 62)) | kVariant;
  RequestId id;
  char* const out = id.text_.data();
  PutHex(ms >> 16, 8, out);
  out[8] = out[13] = out[18] = out[23] = '-';
  PutHex(ms, 4, out + 9);
  PutHex(kVersion | (Chance() & 0x0FFF), 4, out + 14);
  PutHex(low >> 48, 4, out + 19);
  PutHex(low, 12, out + 24);
  id.size_ = 36;
  return id;
}

RequestId RequestId::Of(std::string_view given) {
  const bool is_one =
      !given.empty() && given.size() <= kMax &&
      std::all_of(given.begin(), given.end(), [](char c) { return c >= 0x21 && c <= 0x7E; });
  if (!is_one) return New();
  RequestId id;
  std::copy(given.begin(), given.end(), id.text_.begin());
  id.size_ = static_cast<uint8_t>(given.size());
  id.is_given_ = true;
  return id;
}

}  // namespace onced::wire
