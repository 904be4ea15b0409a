// SPDX-License-Identifier: MIT
// The half of RocksStore that only looks: pages of records, of effects, of a key's ended runs. Each
// call looks at a bounded number of rows, and its page waits at the gate for the latest write of
// all, for nobody knows which of them it shows.
#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/coding.h"
#include "engine/page_walk.h"
#include "engine/rocks_parts.h"

namespace onced {
namespace {

// Walks a family from range to range.
template <typename Row>
Result<Page<Row>> Walked(RocksDatabase& db, Family family, PageWalk<Row>& walk) {
  Result<Page<Row>> page =
      walk.Over([&](const std::string& range, const std::string& after, const RowVisitor& visit) {
        return db.Walk(family, range, after, visit);
      });
  if (page.ok()) page->sequence = db.LatestSequence();
  return page;
}

}  // namespace

Result<Page<ListedRecord>> RocksStore::List(const ListQuery& query) {
  const int64_t now_ms = parts_->clock->NowMs();
  PageWalk<ListedRecord> walk(
      query, now_ms,
      [&](const Key& key, std::string_view value) -> Result<std::optional<ListedRecord>> {
        Result<Record> record = parts_->Decoded(value);
        if (!record.ok()) return record.status();
        const bool wanted = !IsDead(record->DeadAtMs(), now_ms) &&
                            (!query.state.has_value() || record->state == *query.state);
        if (!wanted) return std::optional<ListedRecord>();
        std::optional<size_t> result_bytes;
        if (record->result.has_value()) result_bytes = record->result->size();
        record->result.reset();
        return std::optional<ListedRecord>(
            {.key = key, .record = std::move(*record), .result_bytes = result_bytes});
      });
  return Walked(*parts_->db, Family::kRecords, walk);
}

Result<Page<ListedEffect>> RocksStore::ListEffects(const ListQuery& query) {
  PageWalk<ListedEffect> walk(
      query, parts_->clock->NowMs(),
      [](const Key& key, std::string_view value) -> Result<std::optional<ListedEffect>> {
        return std::optional<ListedEffect>({.key = key, .value = std::string(value)});
      });
  return Walked(*parts_->db, Family::kEffects, walk);
}

Result<Page<std::string>> RocksStore::ReadEffect(const Key& key) {
  Page<std::string> page{.now_ms = parts_->clock->NowMs()};
  Result<std::optional<std::string>> value = parts_->db->Get(Family::kEffects, key.encoded());
  if (!value.ok()) return value.status();
  if (value->has_value()) page.rows.push_back(*std::move(*value));
  page.sequence = parts_->db->LatestSequence();
  return page;
}

Result<LiveCount> RocksStore::CountLive(std::string_view tenant, const std::string& after) {
  LiveCount count;
  size_t seen = 0;
  const int64_t now_ms = parts_->clock->NowMs();
  std::string last;
  const Status walked =
      parts_->db->Walk(Family::kRecords, Key::TenantPrefix(tenant), after,
                       [&](std::string_view encoded, std::string_view value) {
                         if (seen == kRowsPerCall) {
                           count.next = last;
                           return false;
                         }
                         if (++seen == kRowsPerCall) last = encoded;
                         if (!IsDead(StoredDeadAtMs(value).value_or(kNeverMs), now_ms))
                           ++count.live;
                         return true;
                       });
  ONCED_RETURN_IF_ERROR(walked);
  return count;
}

Result<Page<Run>> RocksStore::Runs(const Key& key) {
  Page<Run> page{.now_ms = parts_->clock->NowMs()};
  Status fault = Status::Ok();
  const std::string prefix = AuditPrefix(key);
  const Status walked = parts_->db->Walk(
      Family::kAudit, prefix, "", [&](std::string_view row_key, std::string_view value) {
        if (row_key.size() != prefix.size() + 8 || page.rows.size() == kRowsPerCall) return false;
        if (IsDead(StoredDeadAtMs(value).value_or(kNeverMs), page.now_ms)) return true;
        Result<Run> run = Run::Decode(value, FromBigEndian64(row_key.data() + prefix.size()));
        if (!run.ok()) {
          fault = run.status();
          return false;
        }
        page.rows.push_back(std::move(*run));
        return true;
      });
  ONCED_RETURN_IF_ERROR(walked);
  ONCED_RETURN_IF_ERROR(fault);
  page.sequence = parts_->db->LatestSequence();
  return page;
}

}  // namespace onced
