// SPDX-License-Identifier: MIT
// RespParser: takes commands off the bytes of a connection: RESP arrays of bulk strings, and inline
// commands, as Redis 7.0 takes them, with its words for what is wrong.
//
// Threads: one at a time.
// Invariants: 1. However the bytes are cut, the commands are the same. 2. Nothing is allocated for
// what is announced, only for what has come: for each argument 24 bytes beside the input, of which
// it has six at least. 3. After kBroken nothing more is taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace onced::redis {

// Of an argument, at the door: Redis' proto-max-bulk-len.
constexpr int64_t kBulkMax = int64_t{64} << 20;

struct RespLimits {
  int64_t arguments_max = INT32_MAX;
  int64_t bulk_max = int64_t{512} << 20;
  bool unauthenticated = false;  // 10 arguments of 16 KiB, whatever the others say
};

class RespParser {
 public:
  enum class Progress : uint8_t {
    kNeedsMore,
    kCommand,  // arguments() are those of the next one
    kNothing,  // an empty line or array: consumed, and not answered
    kBroken,   // error() is the last answer
  };

  // `input`: what is not consumed yet, less than 4 GiB; each time the same bytes again, with more
  // behind them, until some are consumed. `consumed` is set for kCommand and kNothing.
  Progress Next(std::string_view input, const RespLimits& limits, size_t* consumed);

  // After kCommand: into `input`, or what the parser keeps, until the next call.
  const std::vector<std::string_view>& arguments() const { return arguments_; }
  // They are not needed any more: large room for them is given back.
  void ForgetArguments();
  // Bytes that it keeps, beside the input.
  size_t kept_bytes() const;
  // "Protocol error: ...", after kBroken.
  const std::string& error() const { return error_; }

 private:
  Progress NextInline(std::string_view input, size_t* consumed);
  Progress NextArray(std::string_view input, const RespLimits& limits, size_t* consumed);
  Progress Broken(std::string error);
  // The number behind the type byte at `at`; false: its line is not whole yet, or bad.
  bool ReadHeader(std::string_view input, const char* too_big, int64_t* value, bool* valid);

  bool in_array_ = false;
  int64_t left_ = 0;        // arguments
  int64_t bulk_size_ = -1;  // of the argument that is being read; -1: its header is next
  size_t at_ = 0;           // up to where the input is understood
  std::vector<std::pair<uint32_t, uint32_t>> pieces_;  // begin and size of each argument
  std::vector<std::string> unquoted_;                  // of an inline command
  std::vector<std::string_view> arguments_;
  std::string error_;
};

// The arguments of a line, quoted as Redis' own tools quote them; false: the quotes are unbalanced.
bool SplitArguments(std::string_view line, std::vector<std::string>* arguments);

}  // namespace onced::redis
