// SPDX-License-Identifier: MIT
#include "tests/mounted_image.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace onced {
namespace {

bool Runs(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

}  // namespace

MountedImage::MountedImage(const std::string& type) : type_(type) {
  if (geteuid() != 0) {
    why_ = "only root may mount an image";
  } else if (!Runs("type mkfs." + type)) {
    why_ = "no mkfs." + type;
  } else {
    std::filesystem::create_directories(Point());
    const bool made =
        Runs("truncate -s 320M " + image_.path("image")) &&
        Runs("mkfs." + type + (type == "xfs" ? " -f " : " -F ") + image_.path("image"));
    if (!made || !Mount()) why_ = "this machine does not mount images of " + type;
  }
}

bool MountedImage::Mount() const {
  return Runs("mount -t " + type_ + " -o loop " + image_.path("image") + " " + Point());
}

bool MountedImage::Unmount() const { return Runs("umount " + Point()); }

bool MountedImage::Forget() const {
  // EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: _IOR('X', 125, __u32).
  constexpr unsigned long kShutdown = 0x8004587DUL;
  uint32_t without_flushing = 2;
  const int fd = open(Point().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool done = fd >= 0 && ioctl(fd, kShutdown, &without_flushing) == 0;
  if (fd >= 0) close(fd);
  return done;
}

void MountedImage::Fill() const {
  const int fd = open(Filler().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int error = fd < 0 ? errno : 0;
  off_t at = 0;
  for (off_t piece = off_t{64} << 20; error == 0 && piece >= 4'096;) {
    const int refused = posix_fallocate(fd, at, piece);
    if (refused == ENOSPC) {
      piece /= 2;
    } else if (refused == 0) {
      at += piece;
    } else if (refused != EINTR) {
      error = refused;
    }
  }
  if (fd >= 0) close(fd);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), "the disk cannot be filled");
  }
}

void MountedImage::Empty() const { std::filesystem::remove(Filler()); }

}  // namespace onced
