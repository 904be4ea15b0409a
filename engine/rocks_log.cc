// SPDX-License-Identifier: MIT
#include "engine/rocks_log.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

namespace onced {
namespace {

// RocksDB quotes the keys at the borders of a compaction, in hexadecimal; a log line may not tell
// them. Whatever is such a quotation, whole or cut off, loses its content. Returns the new size.
size_t BlankKeys(char* line, size_t size) {
  constexpr size_t kShortest = 8;  // digits; a key is longer, and nothing else is quoted so
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  char* out = line;
  const char* const end = line + size;
  for (const char* in = line; in != end;) {
    *out++ = *in;
    if (*in++ != '\'') continue;
    const char* const digits_end = std::find_if_not(in, end, is_digit);
    if (static_cast<size_t>(digits_end - in) >= kShortest) in = digits_end;
  }
  return static_cast<size_t>(out - line);
}

// What of a line tells that a log is damaged: "[(ignoring error) ]PATH.log: dropping N bytes; WHY".
std::string DroppedOf(std::string_view line) {
  const size_t name_end = line.find(".log: dropping ");
  if (name_end == std::string_view::npos) return "";
  const size_t before = line.substr(0, name_end).find_last_of("/ ");
  return std::string(line.substr(before + 1));
}

}  // namespace

RocksLog::RocksLog(const std::string& folder, rocksdb::InfoLogLevel level, Clock* clock)
    : rocksdb::Logger(level), path_(folder + "/LOG"), clock_(clock) {
  MutexLock lock(mutex_);
  Reopen();
}

RocksLog::~RocksLog() {
  if (fd_ >= 0) close(fd_);
}

void RocksLog::Reopen() {
  if (fd_ >= 0) close(fd_);
  (void)std::rename(path_.c_str(), (path_ + ".old").c_str());
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  bytes_ = 0;
}

std::string RocksLog::Unreadable() const {
  MutexLock lock(mutex_);
  return unreadable_;
}

void RocksLog::Logv(const char* format, va_list arguments) {
  std::array<char, 4096> line{};
  const time_t now = clock_->NowMs() / 1000;
  std::tm utc{};
  gmtime_r(&now, &utc);
  size_t size = strftime(line.data(), line.size(), "%FT%TZ ", &utc);
  const int printed = vsnprintf(line.data() + size, line.size() - size - 1, format, arguments);
  if (printed < 0) return;
  size = std::min(size + static_cast<size_t>(printed), line.size() - 2);
  size = BlankKeys(line.data(), size);
  if (line[size - 1] != '\n') line[size++] = '\n';
  MutexLock lock(mutex_);
  if (unreadable_.empty()) unreadable_ = DroppedOf({line.data(), size - 1});
  if (bytes_ >= kMaxBytes) Reopen();
  if (fd_ < 0) return;
  const ssize_t written = write(fd_, line.data(), size);
  if (written > 0) bytes_ += static_cast<size_t>(written);
}

}  // namespace onced
