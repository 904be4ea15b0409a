// SPDX-License-Identifier: MIT
#include "tests/crash_books.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "engine/check.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kSector = 512;

bool IsLog(const std::string& path) { return path.ends_with(".log"); }

std::string FolderOf(const std::string& path) { return fs::path(path).parent_path().string(); }

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// In place: a file with a second name stays one.
void Overwrite(const std::string& path, const std::string& bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const bool done = fd >= 0 && ftruncate(fd, 0) == 0 &&
                    pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
  if (fd >= 0) close(fd);
  if (!done) throw std::runtime_error("cannot write " + path);
}

std::set<std::string> EntriesOf(const std::string& folder) {
  std::set<std::string> entries;
  for (const auto& entry : fs::directory_iterator(folder)) entries.insert(entry.path().string());
  return entries;
}

void Rubbish(std::string& bytes, uint64_t begin, uint64_t end, std::mt19937_64& random) {
  for (uint64_t i = begin; i < end; ++i) bytes[i] = static_cast<char>(random());
}

}  // namespace

const char* NameOf(Loss loss) {
  constexpr const char* kNames[kLosses] = {"all",    "bytes", "suffix", "pages",
                                           "sector", "sizes", "entries"};
  return kNames[static_cast<size_t>(loss)];
}

const char* NameOf(Trouble trouble) {
  constexpr const char* kNames[kTroubles] = {"none", "write",      "short", "no space",
                                             "sync", "entry sync", "read"};
  return kNames[static_cast<size_t>(trouble)];
}

CrashBooks::CrashBooks(std::string folder)
    : folder_(std::move(folder)), aside_(folder_ + ".aside") {
  fs::create_directories(folder_);
  fs::create_directories(aside_);
  own_entries_ = EntriesOf(folder_);
  high_water_synced_ = Bytes(HighWater());
}

CrashBooks::~CrashBooks() {
  std::error_code ignored;
  fs::remove_all(aside_, ignored);
}

bool CrashBooks::Befalls(Call call) const {
  switch (trouble_) {
    case Trouble::kNone:
      return false;
    case Trouble::kWrite:
    case Trouble::kNoSpace:
      return call == Call::kChange || call == Call::kAppend;
    case Trouble::kShort:
      return call == Call::kAppend;
    case Trouble::kSync:
      return call == Call::kSync;
    case Trouble::kEntrySync:
      return call == Call::kEntrySync;
    case Trouble::kRead:
      return call == Call::kRead;
  }
  ONCED_CHECK(false);
}

CrashBooks::Found CrashBooks::Next(Call call) {
  if (cut_) return Found::kNoPower;
  if (call != Call::kRead && ++calls_ == cut_at_) CutNow();
  if (cut_) return Found::kNoPower;
  if (!Befalls(call)) return Found::kPower;
  ++chances_;
  if (until_trouble_ > 1) {
    --until_trouble_;
    return Found::kPower;
  }
  const Trouble trouble = trouble_;
  if (!sticky_) trouble_ = Trouble::kNone;
  ++troubles_;
  if (trouble == Trouble::kNoSpace) return Found::kNoSpace;
  return trouble == Trouble::kShort ? Found::kHalf : Found::kError;
}

CrashBooks::Found CrashBooks::Next(Call call, const File& file) {
  const Found found = Next(call);
  if (IsLog(file.path) && found != Found::kPower && found != Found::kNoPower) ++log_troubles_;
  return found;
}

void CrashBooks::Break(Trouble trouble, uint64_t call, bool sticky) {
  trouble_ = trouble;
  until_trouble_ = call;
  sticky_ = sticky;
  if (trouble != Trouble::kNone) chances_ = 0;
  // Whoever mends a disk has its file system mounted anew; what was pending there is pending still.
  if (trouble == Trouble::kNone) broken_folders_.clear();
}

void CrashBooks::CutNow() {
  cut_ = true;
  power_cut_at_ = CrashDisk::Clock::now();
  high_water_at_cut_ = HighWaterThatMayStay();
}

std::string CrashBooks::SetAside(const std::string& path) {
  std::error_code missing;
  if (!fs::exists(fs::symlink_status(path, missing))) return "";
  std::string kept = aside_ + "/" + std::to_string(++kept_);
  fs::rename(path, kept);
  Moved(path, kept);
  return kept;
}

void CrashBooks::Moved(const std::string& from, const std::string& to) {
  const auto file = files_.find(from);
  if (file == files_.end()) return;
  file->second->path = to;
  files_[to] = file->second;
  files_.erase(from);
}

CrashBooks::FilePtr CrashBooks::Create(const std::string& path) {
  entries_.push_back(
      {.kind = Entry::Kind::kCreated, .path = path, .from = "", .kept = SetAside(path)});
  if (IsLog(path)) ++logs_begun_;
  auto file = std::make_shared<File>(File{.path = path, .log_begin = log_bytes_});
  files_[path] = file;
  return file;
}

void CrashBooks::Grow(File& file, uint64_t bytes) {
  file.size += bytes;
  if (IsLog(file.path)) log_bytes_ += bytes;
}

void CrashBooks::Sync(File& file) {
  if (!lies_) file.synced = file.size;
}

void CrashBooks::FailSync(File& file) {
  const uint64_t begin = std::max(file.synced, file.lost.empty() ? 0 : file.lost.back().end);
  if (begin < file.size) file.lost.push_back({.begin = begin, .end = file.size});
}

// RocksDB appends to the newest log only. One that a cut would take away, or a part of it, is
// durable up to where that begins, and the later ones are not.
void CrashBooks::NoteLogs(CrashDisk::Clock::time_point begun) {
  uint64_t bytes = log_bytes_;
  for (const auto& [path, file] : files_) {
    if (!IsLog(path)) continue;
    uint64_t stays = file->lost.empty() ? file->synced : file->lost.front().begin;
    for (const Entry& entry : entries_) {
      if (entry.path == path) stays = 0;
    }
    if (stays < file->size) bytes = std::min(bytes, file->log_begin + stays);
  }
  if (bytes <= (log_syncs_.empty() ? 0 : log_syncs_.back().bytes)) return;
  log_syncs_.push_back({.begun = begun, .ended = CrashDisk::Clock::now(), .bytes = bytes});
}

void CrashBooks::FailEntrySync(const std::string& folder) { broken_folders_.insert(folder); }

void CrashBooks::SyncEntries(const std::string& folder) {
  if (lies_ || broken_folders_.contains(folder)) return;
  std::vector<Entry> left;
  for (Entry& entry : entries_) {
    if (FolderOf(entry.path) != folder) {
      left.push_back(std::move(entry));
    } else if (!entry.kept.empty()) {
      files_.erase(entry.kept);
      fs::remove(entry.kept);
    }
  }
  entries_ = std::move(left);
}

bool CrashBooks::Rename(const std::string& from, const std::string& to) {
  std::string kept = SetAside(to);
  if (rename(from.c_str(), to.c_str()) != 0) return false;
  Moved(from, to);
  entries_.push_back(
      {.kind = Entry::Kind::kRenamed, .path = to, .from = from, .kept = std::move(kept)});
  return true;
}

bool CrashBooks::Link(const std::string& from, const std::string& to) {
  if (link(from.c_str(), to.c_str()) != 0) return false;
  entries_.push_back({.kind = Entry::Kind::kLinked, .path = to, .from = from, .kept = ""});
  return true;
}

bool CrashBooks::Remove(const std::string& path) {
  std::string kept = SetAside(path);
  if (kept.empty()) {
    errno = ENOENT;
    return false;
  }
  entries_.push_back(
      {.kind = Entry::Kind::kRemoved, .path = path, .from = "", .kept = std::move(kept)});
  return true;
}

CrashBooks::Found CrashBooks::SyncByHand(const std::string& path) {
  const bool is_folder = fs::is_directory(path);
  const Found found = Next(is_folder ? Call::kEntrySync : Call::kSync);
  if (path == HighWater() && found == Found::kError) high_water_lost_ = Bytes(path);
  if (is_folder && found == Found::kError) FailEntrySync(path);
  if (found != Found::kPower || lies_) return found;
  if (path == folder_ && !broken_folders_.contains(path)) own_entries_ = EntriesOf(folder_);
  if (is_folder) SyncEntries(path);
  if (path == HighWater()) high_water_synced_ = HighWaterThatMayStay();
  return found;
}

// As it is; but a page that is still what a failed sync was to write is as it was before. (Nobody
// sees a page that is written again with the very same bytes: it counts as lost, too.)
std::string CrashBooks::HighWaterThatMayStay() const {
  std::string bytes = Bytes(HighWater());
  for (uint64_t page = 0; page < std::min(high_water_lost_.size(), bytes.size()); page += kPage) {
    if (bytes.compare(page, kPage, high_water_lost_, page, kPage) != 0) continue;
    const uint64_t size = std::min<uint64_t>(kPage, bytes.size() - page);
    std::string before =
        page < high_water_synced_.size() ? high_water_synced_.substr(page, size) : "";
    before.resize(size);
    bytes.replace(page, size, before);
  }
  return bytes;
}

void CrashBooks::Undo(const Entry& entry) {
  switch (entry.kind) {
    case Entry::Kind::kCreated:
    case Entry::Kind::kLinked:
      fs::remove(entry.path);
      files_.erase(entry.path);
      break;
    case Entry::Kind::kRenamed:
      fs::rename(entry.path, entry.from);
      Moved(entry.path, entry.from);
      break;
    case Entry::Kind::kRemoved:
      break;
  }
  if (entry.kept.empty()) return;
  fs::rename(entry.kept, entry.path);
  Moved(entry.kept, entry.path);
}

void CrashBooks::LoseBytes(const File& file, Loss loss, std::mt19937_64& random) {
  if (file.synced >= file.size && file.lost.empty()) return;
  std::string bytes = Bytes(file.path);
  bytes.resize(std::min<uint64_t>(bytes.size(), file.size));
  if (bytes.size() > file.synced) LoseEnd(file.synced, loss, random, &bytes);
  for (const File::Range& lost : file.lost) {
    for (uint64_t i = lost.begin; i < std::min<uint64_t>(lost.end, bytes.size()); ++i) bytes[i] = 0;
  }
  Overwrite(file.path, bytes);
}

// What is behind `synced`, of which there is some.
void CrashBooks::LoseEnd(uint64_t synced, Loss loss, std::mt19937_64& random, std::string* all) {
  std::string& bytes = *all;
  const uint64_t point = synced + random() % (bytes.size() - synced + 1);
  switch (loss) {
    case Loss::kAll:
    case Loss::kBytes:
      bytes.resize(synced);
      break;
    case Loss::kSuffix:
      bytes.resize(point);
      break;
    case Loss::kPages:
      for (uint64_t page = synced / kPage * kPage; page < bytes.size(); page += kPage) {
        const uint64_t begin = std::max(page, synced);
        const uint64_t end = std::min<uint64_t>(page + kPage, bytes.size());
        const uint64_t fate = random() % 4;
        if (fate == 0) bytes.replace(begin, end - begin, end - begin, '\0');
        if (fate == 1) Rubbish(bytes, begin, end, random);
      }
      break;
    case Loss::kSector: {
      const uint64_t whole = std::max(point / kSector * kSector, synced);
      const uint64_t end = std::min<uint64_t>((whole / kSector + 1) * kSector, bytes.size());
      bytes.resize(end);
      Rubbish(bytes, whole + random() % (end - whole + 1), end, random);
      break;
    }
    case Loss::kSizes:
      bytes.replace(synced, bytes.size() - synced, bytes.size() - synced, '\0');
      break;
    case Loss::kEntries:
      break;
  }
}

// Its two slots are pages of their own: each is as it was synced, or as it was when power went.
void CrashBooks::LoseWhatWasWrittenByHand(Loss loss, std::mt19937_64& random) {
  const bool none = loss == Loss::kAll || loss == Loss::kBytes;
  if (loss == Loss::kEntries || loss == Loss::kAll) {
    for (const std::string& entry : EntriesOf(folder_)) {
      if (!own_entries_.contains(entry)) fs::remove_all(entry);
    }
  }
  own_entries_ = EntriesOf(folder_);
  if (!fs::exists(HighWater())) {
    high_water_synced_.clear();
    return;
  }
  std::string bytes = high_water_synced_;
  bytes.resize(std::max(bytes.size(), high_water_at_cut_.size()));
  for (uint64_t page = 0; page < high_water_at_cut_.size(); page += kPage) {
    if (none || random() % 2 == 0) continue;
    const uint64_t size = std::min<uint64_t>(kPage, high_water_at_cut_.size() - page);
    bytes.replace(page, size, high_water_at_cut_, page, size);
  }
  Overwrite(HighWater(), bytes);
  high_water_synced_ = bytes;
  high_water_lost_.clear();
}

void CrashBooks::Lose(Loss loss, std::mt19937_64& random) {
  ONCED_CHECK(cut_);
  for (const auto& [path, file] : files_) LoseBytes(*file, loss, random);
  const bool all = loss == Loss::kAll || loss == Loss::kEntries;
  size_t stay = all ? 0 : random() % (entries_.size() + 1);
  for (; entries_.size() > stay; entries_.pop_back()) Undo(entries_.back());
  LoseWhatWasWrittenByHand(loss, random);
  entries_.clear();
  broken_folders_.clear();
  files_.clear();
  fs::remove_all(aside_);
  fs::create_directories(aside_);
  trouble_ = Trouble::kNone;
  cut_ = lies_ = false;
  cut_at_ = calls_ = troubles_ = log_troubles_ = log_bytes_ = logs_begun_ = 0;
  log_syncs_.clear();
}

}  // namespace onced
