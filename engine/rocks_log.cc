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

void RocksLog::Logv(const char* format, va_list arguments) {
  std::array<char, 4096> line{};
  const time_t now = clock_->NowMs() / 1000;
  std::tm utc{};
  gmtime_r(&now, &utc);
  size_t size = strftime(line.data(), line.size(), "%FT%TZ ", &utc);
  const int printed = vsnprintf(line.data() + size, line.size() - size - 1, format, arguments);
  if (printed < 0) return;
  size = std::min(size + static_cast<size_t>(printed), line.size() - 2);
  if (line[size - 1] != '\n') line[size++] = '\n';
  MutexLock lock(mutex_);
  if (bytes_ >= kMaxBytes) Reopen();
  if (fd_ < 0) return;
  const ssize_t written = write(fd_, line.data(), size);
  if (written > 0) bytes_ += static_cast<size_t>(written);
}

}  // namespace onced
