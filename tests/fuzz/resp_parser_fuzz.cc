// SPDX-License-Identifier: MIT
// Any bytes at all, as RESP: however they are cut the same commands are taken off them, each with a
// name, and the same is said of what is wrong.
#include <cstdint>
#include <string_view>

#include "tests/fuzz/promise.h"
#include "tests/resp_pieces.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.empty()) return 0;
  for (const bool stranger : {false, true}) {
    const onced::redis::RespLimits limits{.unauthenticated = stranger};
    const onced::RespPieces whole = onced::ParsedInPieces(bytes, size, size, limits);
    for (const auto& command : whole.commands) {
      onced::Promise(!command.empty(), "a command has a name");
    }
    const size_t somewhere = 1 + data[0] % size;
    onced::Promise(onced::ParsedInPieces(bytes, 1, 1, limits) == whole, "byte by byte");
    onced::Promise(onced::ParsedInPieces(bytes, somewhere, size, limits) == whole, "in two");
    onced::Promise(onced::ParsedInPieces(bytes, somewhere, 7, limits) == whole, "in sevens");
  }
  return 0;
}
