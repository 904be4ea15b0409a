// SPDX-License-Identifier: MIT
#include "server/redis/database.h"

#include <algorithm>
#include <utility>

#include "server/redis/session.h"

namespace onced::redis {
namespace {

constexpr size_t kWatcherSize = 128;  // a node of the table, and the list in it

}  // namespace

Selected Databases::Select(std::string_view tenant, int number) {
  const Result<Keyspace::Space> space = keyspace_->Open(tenant, static_cast<uint8_t>(number));
  if (!space.ok()) {
    Note(space.status());
    return {};
  }
  return {.space = *space, .number = number};
}

const Entry* Databases::Load(Selected db, std::string_view key) {
  if (key.size() > Keyspace::kNameMax) return nullptr;  // never written: see Put's callers
  const Result<const Entry*> entry = keyspace_->Load(db.space, key);
  if (entry.ok()) return *entry;
  Note(entry.status());
  return nullptr;
}

const Entry* Databases::Find(Selected db, std::string_view key) {
  const Entry* const entry = Load(db, key);
  ++(entry == nullptr ? misses : hits);
  return entry;
}

void Databases::Put(Selected db, std::string_view key, ValueType type, int64_t dead_at_ms,
                    std::string_view bytes) {
  if (IsDead(dead_at_ms, now_ms_)) {
    // Also where there was nothing, as Redis has it: somebody has written to the key.
    if (!Erase(db, key)) Touch(db.space, key);
    return;
  }
  keyspace_->Put(db.space, key, type, dead_at_ms, bytes);
  Touch(db.space, key);
}

bool Databases::Erase(Selected db, std::string_view key) {
  if (Load(db, key) == nullptr) return false;
  keyspace_->Erase(db.space, key);
  Touch(db.space, key);
  return true;
}

uint32_t Databases::Scan(Selected db, uint32_t from, size_t count, const Keyspace::Visit& visit) {
  const Result<uint32_t> next = keyspace_->Scan(db.space, from, count, visit);
  if (next.ok()) return *next;
  Note(next.status());
  return Keyspace::kSlots;
}

uint64_t Databases::Count(Selected db) {
  const Result<uint64_t> count = keyspace_->Count(db.space);
  if (count.ok()) return *count;
  Note(count.status());
  return 0;
}

void Databases::Touch(Keyspace::Space space, std::string_view key) {
  if (watchers_.empty()) return;
  const auto found = watchers_.find(WatchedKey(space, key));
  if (found == watchers_.end()) return;
  for (Session* const session : found->second) session->touched = true;
}

void Databases::Watch(Session* session, Selected db, std::string_view key) {
  if (session->gone) return;
  std::vector<Session*>& watchers = watchers_[WatchedKey(db.space, key)];
  if (std::find(watchers.begin(), watchers.end(), session) != watchers.end()) return;
  watchers.push_back(session);
  session->watched.push_back(
      {.db = db, .key = std::string(key), .was_there = Load(db, key) != nullptr});
  session->watched_bytes += 2 * (sizeof(Session::Watched) + KeptSize(key)) + kWatcherSize;
}

void Databases::Unwatch(Session* session) {
  for (const Session::Watched& one : session->watched) {
    const auto found = watchers_.find(WatchedKey(one.db.space, one.key));
    std::erase(found->second, session);
    if (found->second.empty()) watchers_.erase(found);
  }
  std::vector<Session::Watched>().swap(session->watched);  // with its room
  session->watched_bytes = 0;
  session->touched = false;
}

bool Databases::WatchedHasDied(const Session& session) {
  return std::any_of(session.watched.begin(), session.watched.end(), [this](const auto& one) {
    return one.was_there && Load(one.db, one.key) == nullptr;
  });
}

}  // namespace onced::redis
