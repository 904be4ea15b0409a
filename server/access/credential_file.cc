// SPDX-License-Identifier: MIT
#include "server/access/credential_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace onced {
namespace {

Status FaultOfSystem(int error) {
  return Status::InvalidArgument(std::generic_category().message(error));
}

// What of its mode the file may not have. Who can write it can let anybody in.
Status JudgeMode(mode_t mode, Readers readers) {
  mode_t banned = S_IWOTH;
  const char* remedy = "others may write it; run chmod 644";
  if (readers == Readers::kGroup) {
    banned = S_IRWXO | S_IWGRP;
    remedy = "others may read or write it, or the group may write it; run chmod 640";
  } else if (readers == Readers::kNobody) {
    banned = S_IRWXO | S_IRWXG;
    remedy = "others, or the group, may read or write it; run chmod 600";
  }
  if ((mode & banned) == 0) return Status::Ok();
  char text[16];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode & 07777));
  return Status::InvalidArgument(std::string("its mode is ") + text + ": " + remedy);
}

Result<std::string> ReadOpened(int fd, Readers readers, size_t bytes_max) {
  struct stat about {};
  if (fstat(fd, &about) != 0) return FaultOfSystem(errno);
  if (!S_ISREG(about.st_mode)) return Status::InvalidArgument("it is not a regular file");
  ONCED_RETURN_IF_ERROR(JudgeMode(about.st_mode, readers));
  // One byte more than there should be tells a file that has grown. The string never moves.
  std::string text(std::min(static_cast<size_t>(about.st_size), bytes_max) + 1, '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t size = read(fd, text.data() + filled, text.size() - filled);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return FaultOfSystem(errno);
    if (size == 0) break;
    filled += static_cast<size_t>(size);
  }
  if (filled > bytes_max) {
    return Status::InvalidArgument("it is larger than " + std::to_string(bytes_max >> 10) + " KiB");
  }
  if (filled == text.size()) return Status::InvalidArgument("it grew while it was read");
  text.resize(filled);
  return text;
}

}  // namespace

Result<std::string> ReadCredentialFile(const std::string& path, Readers readers, size_t bytes_max) {
  // O_NONBLOCK: to open a pipe is to wait for who writes to it.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FaultOfSystem(errno);
  Result<std::string> text = ReadOpened(fd, readers, bytes_max);
  close(fd);
  return text;
}

}  // namespace onced
