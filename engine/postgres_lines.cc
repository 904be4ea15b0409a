// SPDX-License-Identifier: MIT
#include "engine/postgres_lines.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <utility>

#include "engine/check.h"
#include "engine/postgres_statements.h"
#include "engine/record.h"

namespace onced {
namespace {

// name | 'a' or 'f' | the encoded key, in hex.
constexpr char kAllAreWoken = 'a';
constexpr char kFreed = 'f';
constexpr std::string_view kHex = "0123456789abcdef";
constexpr size_t kHeadBytes = 72;  // of a record, up to the names (FORMAT.md)
// A record without names and result is its head and three lengths.
constexpr size_t kNamesBytes = 3;
// How soon a stripe that was held is tried again.
constexpr std::chrono::milliseconds kOwedPause{5};

std::string Unhexed(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    const size_t high = kHex.find(text[i]);
    const size_t low = kHex.find(text[i + 1]);
    if (high == kHex.npos || low == kHex.npos) return {};
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

}  // namespace

std::string PostgresLines::Notice(std::string_view name, const Key& key, Wake wake) {
  std::string notice(name);
  notice += wake == Wake::kAll ? kAllAreWoken : kFreed;
  for (const char c : key.encoded()) {
    const auto byte = static_cast<uint8_t>(c);
    notice += kHex[byte >> 4];
    notice += kHex[byte & 15];
  }
  return notice;
}

PostgresLines::PostgresLines(PostgresPool* pool, Stripes* stripes, std::string name, bool listens)
    : pool_(pool),
      stripes_(stripes),
      name_(std::move(name)),
      listens_(listens),
      stop_fd_(eventfd(0, EFD_CLOEXEC)) {
  ONCED_CHECK(stop_fd_ >= 0);
  Listen();  // now, so that who is told to wait from here on is heard of
  thread_ = std::thread([this] { Run(); });
}

PostgresLines::~PostgresLines() {
  const uint64_t one = 1;
  ONCED_CHECK(write(stop_fd_, &one, sizeof one) == sizeof one);
  thread_.join();
  close(stop_fd_);
}

void PostgresLines::Watch(const Key& key) {
  MutexLock lock(mutex_);
  watched_.try_emplace(key.encoded(), key);
}

void PostgresLines::Forget(const std::vector<Key>& keys) {
  MutexLock lock(mutex_);
  for (const Key& key : keys) watched_.erase(key.encoded());
}

void PostgresLines::Listen() {
  if (!listens_ || listener_ != nullptr) return;
  Result<std::unique_ptr<PostgresConnection>> opened = pool_->OpenAnother();
  if (!opened.ok()) return;  // it is tried again in the next round
  const PostgresCall listen{&statements::kListen, {}};
  const PostgresAnswer answer = (*opened)->Run({&listen, 1});
  if (answer.ok()) {
    listener_ = std::move(*opened);
  } else if (answer.error->state == "0A000" || answer.error->state == "42601") {
    listens_ = false;  // "feature not supported", "syntax error": it has no such thing
  }
  // Anything else may pass; a connection of its own is tried again in the next round.
}

void PostgresLines::Run() {
  std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<int64_t> pause(kPollLeast.count(), kPollMost.count());
  while (Pause(std::chrono::milliseconds(pause(random)))) {
    Listen();
    Poll();
  }
}

bool PostgresLines::Pause(std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return true;
    SettleOwed();
    const auto time_out = owed_.empty() ? left : std::min(left, kOwedPause);
    std::array<pollfd, 2> fds = {
        pollfd{.fd = stop_fd_, .events = POLLIN, .revents = 0},
        pollfd{.fd = listener_ != nullptr ? listener_->fd() : -1, .events = POLLIN, .revents = 0}};
    poll(fds.data(), fds.size(), static_cast<int>(time_out.count()));
    if (fds[0].revents != 0) return false;
    if (listener_ == nullptr || fds[1].revents == 0) continue;
    const bool alive = listener_->SeemsAlive();
    for (const std::string& notice : listener_->Notifications()) Hear(notice);
    if (!alive) listener_.reset();
  }
}

void PostgresLines::Hear(const std::string& notice) {
  const std::string_view text = notice;
  if (text.size() <= name_.size() + 1 || text.starts_with(name_)) return;
  const Result<Key> key = Key::Decode(Unhexed(text.substr(name_.size() + 1)));
  if (key.ok()) Ended(*key, text[name_.size()] == kAllAreWoken ? Wake::kAll : Wake::kFreed);
}

void PostgresLines::Ended(const Key& key, Wake wake) {
  Settle(key, Decision{.outcome = Outcome::kNotFound, .wake = wake});
}

bool PostgresLines::SettleIfFree(const Key& key, const Decision& change) {
  KeyLock lock(*stripes_, key, KeyLock::IfFree());
  if (!lock.Covers(key)) return false;
  stripes_->Settle(lock, key, change);
  return true;
}

void PostgresLines::Settle(const Key& key, Decision change) {
  if (SettleIfFree(key, change)) return;
  const auto [at, is_new] = owed_.try_emplace(key.encoded(), Owed{key, change});
  // What wakes more stands for what wakes less; of a shorter lease the next poll tells again.
  if (!is_new && change.wake >= at->second.change.wake) at->second.change = std::move(change);
}

void PostgresLines::SettleOwed() {
  std::erase_if(owed_, [this](const auto& entry) {
    return SettleIfFree(entry.second.key, entry.second.change);
  });
}

void PostgresLines::Poll() {
  std::vector<Key> keys;
  std::vector<std::string> encoded;
  {
    MutexLock lock(mutex_);
    for (const auto& [bytes, key] : watched_) {
      encoded.push_back(bytes);
      keys.push_back(key);
    }
  }
  if (keys.empty()) return;
  const std::string array = PostgresByteaArray(encoded);
  const PostgresCall call{&statements::kPollWaited, {std::string_view(array)}};
  const PostgresAnswer answer = pool_->Run({&call, 1});
  if (!answer.ok()) return;
  std::set<std::string, std::less<>> in_flight;
  const PostgresRows& rows = answer.rows[0];
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string head(rows.Bytes(i, 2));
    if (head.size() != kHeadBytes) continue;
    head.append(kNamesBytes, '\0');
    head[2] = static_cast<char>(head[2] & ~2);  // its result was left out
    Result<Record> record = Record::Decode(head);
    if (!record.ok() || record->state != State::kInFlight) continue;
    const Result<Key> key = Key::Decode(rows.Bytes(i, 0));
    if (!key.ok()) continue;
    in_flight.emplace(rows.Bytes(i, 0));
    // Whoever relies on a longer lease than there is, is called.
    Settle(*key,
           {.outcome = Outcome::kRenewed, .write = Write::kPut, .record = std::move(*record)});
  }
  std::vector<Key> ended;
  for (const Key& key : keys) {
    if (!in_flight.contains(key.encoded())) ended.push_back(key);
  }
  Forget(ended);  // before they are woken: who waits again is watched again
  for (const Key& key : ended) Ended(key, Wake::kAll);
}

}  // namespace onced
