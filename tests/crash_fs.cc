// SPDX-License-Identifier: MIT
#include "tests/crash_fs.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/check.h"
#include "tests/crash_books.h"

namespace onced {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Call = CrashBooks::Call;
using Found = CrashBooks::Found;
using Books = std::shared_ptr<CrashBooks>;

// As RocksDB's own file system reports it.
IOStatus Failure(Found found) {
  if (found == Found::kNoSpace) {
    IOStatus status = IOStatus::NoSpace("No space left on device", "injected");
    status.SetRetryable(true);
    return status;
  }
  return IOStatus::IOError(found == Found::kNoPower ? "the power is off" : "injected EIO");
}

IOStatus OfErrno(bool done, const std::string& path) {
  return done ? IOStatus::OK() : IOStatus::IOError(path, std::strerror(errno));
}

class CrashFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  CrashFile(std::unique_ptr<rocksdb::FSWritableFile> real, Books books, CrashBooks::FilePtr file)
      : FSWritableFileOwnerWrapper(std::move(real)),
        books_(std::move(books)),
        file_(std::move(file)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    MutexLock lock(books_->mutex);
    const Found found = books_->Next(Call::kAppend, *file_);
    if (found != Found::kPower && found != Found::kHalf) return Failure(found);
    const Slice part(data.data(), found == Found::kHalf ? data.size() / 2 : data.size());
    const IOStatus status = FSWritableFileOwnerWrapper::Append(part, options, context);
    if (status.ok()) books_->Grow(*file_, part.size());
    return found == Found::kHalf ? Failure(found) : status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& /*info*/, IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus PositionedAppend(const Slice& /*data*/, uint64_t /*at*/, const IOOptions& /*options*/,
                            IODebugContext* /*context*/) override {
    return IOStatus::NotSupported("files are appended to");
  }
  IOStatus PositionedAppend(const Slice& /*data*/, uint64_t /*at*/, const IOOptions& /*options*/,
                            const rocksdb::DataVerificationInfo& /*info*/,
                            IODebugContext* /*context*/) override {
    return IOStatus::NotSupported("files are appended to");
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* context) override {
    MutexLock lock(books_->mutex);
    const Found found = books_->Next(Call::kChange);
    if (found != Found::kPower) return Failure(found);
    ONCED_CHECK(size == file_->size);  // of what was allocated ahead, and not written
    return FSWritableFileOwnerWrapper::Truncate(size, options, context);
  }
  IOStatus Sync(const IOOptions& /*options*/, IODebugContext* /*context*/) override {
    const auto begun = CrashDisk::Clock::now();
    MutexLock lock(books_->mutex);
    const Found found = books_->Next(Call::kSync, *file_);
    if (found == Found::kError) books_->FailSync(*file_);
    if (found != Found::kPower) return Failure(found);
    books_->Sync(*file_);
    books_->NoteLogs(begun);
    return IOStatus::OK();
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Sync(options, context);
  }
  // It promises nothing.
  IOStatus RangeSync(uint64_t /*at*/, uint64_t /*size*/, const IOOptions& /*options*/,
                     IODebugContext* /*context*/) override {
    return IOStatus::OK();
  }
  bool IsSyncThreadSafe() const override { return true; }

 private:
  const Books books_;
  const CrashBooks::FilePtr file_;
};

class CrashFolder : public rocksdb::FSDirectoryWrapper {
 public:
  CrashFolder(std::unique_ptr<rocksdb::FSDirectory> real, Books books, std::string path)
      : FSDirectoryWrapper(std::move(real)), books_(std::move(books)), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*context*/) override {
    const auto begun = CrashDisk::Clock::now();
    MutexLock lock(books_->mutex);
    const Found found = books_->Next(Call::kEntrySync);
    if (found == Found::kError) books_->FailEntrySync(path_);
    if (found != Found::kPower) return Failure(found);
    books_->SyncEntries(path_);
    books_->NoteLogs(begun);
    return IOStatus::OK();
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions& /*why*/) override {
    return Fsync(options, context);
  }

 private:
  const Books books_;
  const std::string path_;
};

IOStatus ReadFinds(const Books& books) {
  MutexLock lock(books->mutex);
  const Found found = books->Next(Call::kRead);
  return found == Found::kPower ? IOStatus::OK() : Failure(found);
}

class CrashSequential : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  CrashSequential(std::unique_ptr<rocksdb::FSSequentialFile> real, Books books)
      : FSSequentialFileOwnerWrapper(std::move(real)), books_(std::move(books)) {}
  IOStatus Read(size_t size, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* context) override {
    IOStatus found = ReadFinds(books_);
    if (!found.ok()) return found;
    return FSSequentialFileOwnerWrapper::Read(size, options, result, scratch, context);
  }

 private:
  const Books books_;
};

class CrashRandom : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  CrashRandom(std::unique_ptr<rocksdb::FSRandomAccessFile> real, Books books)
      : FSRandomAccessFileOwnerWrapper(std::move(real)), books_(std::move(books)) {}
  IOStatus Read(uint64_t at, size_t size, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* context) const override {
    IOStatus found = ReadFinds(books_);
    if (!found.ok()) return found;
    return FSRandomAccessFileOwnerWrapper::Read(at, size, options, result, scratch, context);
  }

 private:
  const Books books_;
};

class CrashFiles : public rocksdb::FileSystemWrapper {
 public:
  explicit CrashFiles(Books books)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), books_(std::move(books)) {}
  static const char* kClassName() { return "OncedCrashFiles"; }
  const char* Name() const override { return kClassName(); }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* context) override {
    MutexLock lock(books_->mutex);
    const Found found = books_->Next(Call::kChange);
    if (found != Found::kPower) return Failure(found);
    CrashBooks::FilePtr file = books_->Create(path);
    std::unique_ptr<rocksdb::FSWritableFile> real;
    IOStatus made = FileSystemWrapper::NewWritableFile(path, options, &real, context);
    if (made.ok()) {
      *result = std::make_unique<CrashFile>(std::move(real), books_, std::move(file));
    }
    return made;
  }
  // With the options of a store of ours RocksDB asks for none of these.
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& /*options*/,
                              std::unique_ptr<rocksdb::FSWritableFile>* /*result*/,
                              IODebugContext* /*context*/) override {
    return IOStatus::NotSupported(path);
  }
  IOStatus ReuseWritableFile(const std::string& path, const std::string& /*old*/,
                             const FileOptions& /*options*/,
                             std::unique_ptr<rocksdb::FSWritableFile>* /*result*/,
                             IODebugContext* /*context*/) override {
    return IOStatus::NotSupported(path);
  }
  IOStatus NewRandomRWFile(const std::string& path, const FileOptions& /*options*/,
                           std::unique_ptr<rocksdb::FSRandomRWFile>* /*result*/,
                           IODebugContext* /*context*/) override {
    return IOStatus::NotSupported(path);
  }
  IOStatus Truncate(const std::string& path, size_t /*size*/, const IOOptions& /*options*/,
                    IODebugContext* /*context*/) override {
    return IOStatus::NotSupported(path);
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* context) override {
    std::unique_ptr<rocksdb::FSDirectory> real;
    IOStatus opened = FileSystemWrapper::NewDirectory(path, options, &real, context);
    if (opened.ok()) *result = std::make_unique<CrashFolder>(std::move(real), books_, path);
    return opened;
  }
  IOStatus NewSequentialFile(const std::string& path, const FileOptions& options,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext* context) override {
    std::unique_ptr<rocksdb::FSSequentialFile> real;
    IOStatus opened = FileSystemWrapper::NewSequentialFile(path, options, &real, context);
    if (opened.ok()) *result = std::make_unique<CrashSequential>(std::move(real), books_);
    return opened;
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext* context) override {
    std::unique_ptr<rocksdb::FSRandomAccessFile> real;
    IOStatus opened = FileSystemWrapper::NewRandomAccessFile(path, options, &real, context);
    if (opened.ok()) *result = std::make_unique<CrashRandom>(std::move(real), books_);
    return opened;
  }

  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& /*options*/,
                      IODebugContext* /*context*/) override {
    MutexLock lock(books_->mutex);
    const Found found = books_->Next(Call::kChange);
    return found == Found::kPower ? OfErrno(books_->Rename(from, to), from) : Failure(found);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& /*options*/,
                    IODebugContext* /*context*/) override {
    MutexLock lock(books_->mutex);
    const Found found = books_->Next(Call::kChange);
    return found == Found::kPower ? OfErrno(books_->Link(from, to), from) : Failure(found);
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions& /*options*/,
                      IODebugContext* /*context*/) override {
    MutexLock lock(books_->mutex);
    const Found found = books_->Next(Call::kChange);
    return found == Found::kPower ? OfErrno(books_->Remove(path), path) : Failure(found);
  }

 private:
  const Books books_;
};

// The one disk of this process whose files are also written by hand; nullptr: none.
CrashBooks* g_by_hand = nullptr;

}  // namespace

CrashDisk::CrashDisk(const std::string& folder)
    : books_(std::make_shared<CrashBooks>(folder)),
      env_(rocksdb::NewCompositeEnv(std::make_shared<CrashFiles>(books_))) {
  ONCED_CHECK(g_by_hand == nullptr);
  g_by_hand = books_.get();
}

CrashDisk::~CrashDisk() { g_by_hand = nullptr; }

rocksdb::Env* CrashDisk::env() { return env_.get(); }

uint64_t CrashDisk::calls() const {
  MutexLock lock(books_->mutex);
  return books_->calls();
}

CrashDisk::Clock::time_point CrashDisk::cut_at() const {
  MutexLock lock(books_->mutex);
  return books_->power_cut_at();
}

uint64_t CrashDisk::log_troubles() const {
  MutexLock lock(books_->mutex);
  return books_->log_troubles();
}

uint64_t CrashDisk::LogsBegun() const {
  MutexLock lock(books_->mutex);
  return books_->logs_begun();
}

uint64_t CrashDisk::LogBytes() const {
  MutexLock lock(books_->mutex);
  return books_->log_bytes();
}

std::vector<CrashDisk::LogSync> CrashDisk::LogSyncs() const {
  MutexLock lock(books_->mutex);
  return books_->log_syncs();
}

uint64_t CrashDisk::chances() const {
  MutexLock lock(books_->mutex);
  return books_->chances();
}

uint64_t CrashDisk::troubles() const {
  MutexLock lock(books_->mutex);
  return books_->troubles();
}

void CrashDisk::CutAt(uint64_t call) {
  MutexLock lock(books_->mutex);
  books_->CutAt(call);
}

void CrashDisk::CutNow() {
  MutexLock lock(books_->mutex);
  if (!books_->is_cut()) books_->CutNow();
}

bool CrashDisk::IsCut() const {
  MutexLock lock(books_->mutex);
  return books_->is_cut();
}

void CrashDisk::Lose(Loss loss, std::mt19937_64& random) {
  MutexLock lock(books_->mutex);
  books_->Lose(loss, random);
}

void CrashDisk::Break(Trouble trouble, uint64_t call, bool sticky) {
  MutexLock lock(books_->mutex);
  books_->Break(trouble, call, sticky);
}

void CrashDisk::Mend() { Break(Trouble::kNone, 0, false); }

void CrashDisk::Lie() {
  MutexLock lock(books_->mutex);
  books_->Lie();
}

// What is behind the program's own fsync and fdatasync, see below.
int SyncedByHand(int fd, bool data_only) {
  std::array<char, 4096> path;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path.data(), path.size());
  const std::string name(path.data(), size < 0 ? 0 : static_cast<size_t>(size));
  if (g_by_hand == nullptr || !name.starts_with(g_by_hand->folder())) {
    return static_cast<int>(syscall(data_only ? SYS_fdatasync : SYS_fsync, fd));
  }
  MutexLock lock(g_by_hand->mutex);
  const CrashBooks::Found found = g_by_hand->SyncByHand(name);
  if (found == CrashBooks::Found::kPower) return 0;
  errno = EIO;
  return -1;
}

// Where calls fail RocksDB waits for a second before it tries again: here it need not.
int SleepByHand(useconds_t us) {
  bool hurries = false;
  if (g_by_hand != nullptr) {
    MutexLock lock(g_by_hand->mutex);
    hurries = g_by_hand->is_cut() || g_by_hand->troubles() > 0;
  }
  constexpr long kMoment = 100'000;
  const timespec time{.tv_sec = hurries ? 0 : us / 1'000'000,
                      .tv_nsec = hurries ? kMoment : static_cast<long>(us % 1'000'000) * 1'000};
  return nanosleep(&time, nullptr);  // real time: it is what was asked for
}

}  // namespace onced

// They stand in the place of the C library's in this program, for the engine and for RocksDB.
extern "C" int fsync(int fd) { return onced::SyncedByHand(fd, false); }
extern "C" int fdatasync(int fd) { return onced::SyncedByHand(fd, true); }
extern "C" int usleep(useconds_t us) { return onced::SleepByHand(us); }  // real time: as above
