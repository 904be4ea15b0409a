// SPDX-License-Identifier: MIT
#include "engine/high_water.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/coding.h"

namespace onced {
namespace {

constexpr size_t kSlotSize = 4096;
constexpr uint32_t kMagic = 0x31776e6f;  // "onw1"
constexpr uint32_t kFormat = 1;

uint32_t Crc(std::string_view bytes) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

Status Errno(const std::string& what) {
  const int error = errno;
  std::string message = "high-water file: " + what + ": " + std::strerror(error);
  return error == ENOSPC ? Status::NoSpace(std::move(message))
                         : Status::IoError(std::move(message));
}

std::string EncodeSlot(const HighWaterMark& mark, uint64_t generation) {
  std::string out;
  ByteWriter w(&out);
  w.Fixed(kMagic);
  w.Fixed(kFormat);
  w.Fixed(generation);
  w.Fixed(mark.epoch);
  w.Fixed(mark.synced_sequence);
  w.Fixed(mark.anchor.boottime_ms);
  w.Fixed(mark.anchor.now_ms);
  w.Fixed(static_cast<uint8_t>(mark.anchor.in_doubt ? 1 : 0));
  w.Short(mark.anchor.boot_id.substr(0, 64));
  w.Fixed(mark.manifest.number);  // zeros before this was kept
  w.Fixed(mark.manifest.bytes);
  w.Fixed(mark.manifest.in_use);
  w.Fixed(mark.manifest.before);  // likewise
  w.Fixed(mark.manifest.before_bytes);
  const size_t logs = std::min(mark.logs.size(), HighWaterMark::kLogsMax);
  w.Fixed(static_cast<uint32_t>(logs));  // likewise
  for (size_t i = 0; i < logs; ++i) {
    w.Fixed(mark.logs[i].number);
    w.Fixed(mark.logs[i].bytes);
  }
  out.resize(kSlotSize - sizeof(uint32_t));
  w.Fixed(Crc(out));
  return out;
}

struct Slot {
  uint64_t generation = 0;
  HighWaterMark mark;
};

Result<std::optional<Slot>> DecodeSlot(std::string_view bytes) {
  const std::string_view body = bytes.substr(0, kSlotSize - sizeof(uint32_t));
  ByteReader crc(bytes.substr(body.size()));
  ByteReader in(body);
  const auto magic = in.Fixed<uint32_t>();
  const auto format = in.Fixed<uint32_t>();
  if (magic != kMagic || crc.Fixed<uint32_t>() != Crc(body)) return std::optional<Slot>();
  if (format > kFormat) {
    return Status::Corruption("high-water file: format " + std::to_string(format) +
                              " is newer than this program's " + std::to_string(kFormat));
  }
  Slot slot;
  slot.generation = in.Fixed<uint64_t>();
  slot.mark.epoch = in.Fixed<uint32_t>();
  slot.mark.synced_sequence = in.Fixed<uint64_t>();
  slot.mark.anchor.boottime_ms = in.Fixed<int64_t>();
  slot.mark.anchor.now_ms = in.Fixed<int64_t>();
  slot.mark.anchor.in_doubt = in.Fixed<uint8_t>() != 0;
  slot.mark.anchor.boot_id = in.Short();
  slot.mark.manifest.number = in.Fixed<uint64_t>();
  slot.mark.manifest.bytes = in.Fixed<uint64_t>();
  slot.mark.manifest.in_use = in.Fixed<uint64_t>();
  slot.mark.manifest.before = in.Fixed<uint64_t>();
  slot.mark.manifest.before_bytes = in.Fixed<uint64_t>();
  const size_t logs = std::min<size_t>(in.Fixed<uint32_t>(), HighWaterMark::kLogsMax);
  for (size_t i = 0; i < logs; ++i) {
    const auto number = in.Fixed<uint64_t>();
    slot.mark.logs.push_back({.number = number, .bytes = in.Fixed<uint64_t>()});
  }
  return std::optional<Slot>(std::move(slot));
}

}  // namespace

Result<std::unique_ptr<HighWater>> HighWater::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Errno("open");
  std::unique_ptr<HighWater> file(new HighWater(fd));
  ONCED_RETURN_IF_ERROR(file->Load());
  return file;
}

Result<HighWaterMark> HighWater::Peek(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return Status::Corruption(path + ": there is none");
  if (fd < 0) return Errno("open");
  HighWater file(fd);
  ONCED_RETURN_IF_ERROR(file.Load());
  const std::optional<HighWaterMark> mark = file.mark();
  if (mark.has_value()) return *mark;
  return Status::Corruption(path + ": neither of its slots is whole");
}

HighWater::~HighWater() { close(fd_); }

std::optional<HighWaterMark> HighWater::mark() const {
  MutexLock lock(mutex_);
  return mark_;
}

Status HighWater::Load() {
  MutexLock lock(mutex_);
  for (const off_t at : {off_t{0}, static_cast<off_t>(kSlotSize)}) {
    std::array<char, kSlotSize> bytes{};
    const ssize_t size = pread(fd_, bytes.data(), bytes.size(), at);
    if (size < 0) return Errno("read");
    if (static_cast<size_t>(size) < bytes.size()) continue;
    Result<std::optional<Slot>> slot = DecodeSlot({bytes.data(), bytes.size()});
    if (!slot.ok()) return slot.status();
    if (slot->has_value() && (*slot)->generation > generation_) {
      generation_ = (*slot)->generation;
      mark_ = (*slot)->mark;
    }
  }
  return Status::Ok();
}

Status HighWater::ReadBack() const {
  MutexLock lock(mutex_);
  // What is synced can be read again: the kernel may forget it.
  (void)posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  std::array<char, kSlotSize> bytes{};
  const auto at = static_cast<off_t>((generation_ % 2) * kSlotSize);
  const ssize_t size = pread(fd_, bytes.data(), bytes.size(), at);
  if (size < 0) return Errno("read");
  const Result<std::optional<Slot>> slot = DecodeSlot({bytes.data(), bytes.size()});
  if (slot.ok() && slot->has_value() && (*slot)->generation == generation_) return Status::Ok();
  return Status::IoError("high-water file: is not what was written");
}

Status HighWater::Update(const std::function<void(HighWaterMark&)>& change) {
  MutexLock lock(mutex_);
  HighWaterMark next = mark_.value_or(HighWaterMark{});
  change(next);
  const uint64_t generation = generation_ + 1;
  const std::string slot = EncodeSlot(next, generation);
  const auto at = static_cast<off_t>((generation % 2) * kSlotSize);
  const ssize_t written = pwrite(fd_, slot.data(), slot.size(), at);
  if (written != static_cast<ssize_t>(slot.size())) {
    if (written >= 0) errno = ENOSPC;
    return Errno("write");
  }
  if (fdatasync(fd_) != 0) return Errno("fdatasync");
  mark_ = std::move(next);
  generation_ = generation;
  return Status::Ok();
}

}  // namespace onced
