// SPDX-License-Identifier: MIT
// MountedImage: a disk of a test's own, ext4 or XFS in a file, on which the kernel can be told to
// forget what it has not written (the shutdown ioctl, without flushing the journal), and which can
// be filled to the last byte. Needs root and a kernel that mounts images.
//
// Threads: one, but Forget() from any.
// Invariants: nothing of it is mounted, or there, when the object is gone.
#pragma once

#include <string>

#include "tests/fixtures.h"

namespace onced {

class MountedImage {
 public:
  explicit MountedImage(const std::string& type);
  ~MountedImage() { (void)Unmount(); }
  MountedImage(const MountedImage&) = delete;
  MountedImage& operator=(const MountedImage&) = delete;

  bool made() const { return why_.empty(); }
  const std::string& why() const { return why_; }  // it is not
  std::string Point() const { return image_.path("mounted"); }
  bool Mount() const;
  bool Unmount() const;
  // Nothing reaches the disk any more, not even what its journal holds.
  bool Forget() const;
  // Takes all the room that there is, or what is there again; throws when it cannot. And gives it
  // back.
  void Fill() const;
  void Empty() const;

 private:
  std::string Filler() const { return Point() + "/filler"; }
  TempFolder image_;
  const std::string type_;
  std::string why_;
};

}  // namespace onced
