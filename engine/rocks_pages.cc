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
#include "engine/rocks_parts.h"

namespace onced {
namespace {

constexpr size_t kRowsPerCall = 10'000;

// Where a listing stands: at a key of its scope, or, when it goes through several, at a key and its
// scope. No scope has a space in it.
std::string PlaceOf(const ListQuery& query, const Key& key) {
  std::string place(key.key());
  if (query.scope_is_prefix) place.insert(0, std::string(key.scope()) + ' ');
  return place;
}

// The encoded key that `place` names. What is no place is before everything.
std::string KeyAt(const ListQuery& query, std::string_view place) {
  std::string_view scope = query.scope;
  if (query.scope_is_prefix) {
    const size_t space = place.find(' ');
    if (space == place.npos || space > Key::kMaxLength) return {};
    scope = place.substr(0, space);
    place.remove_prefix(space + 1);
  }
  return Key::EncodedPrefix(query.tenant, scope, place);
}

// What the keys of a listing begin with, in order. A scope is written behind its length, so those
// that begin alike lie together only with others as long.
std::vector<std::string> RangesOf(const ListQuery& query) {
  if (!query.scope_is_prefix) {
    return {Key::EncodedPrefix(query.tenant, query.scope, query.prefix)};
  }
  std::vector<std::string> ranges;
  const std::string tenant = Key::TenantPrefix(query.tenant);
  for (size_t length = std::max<size_t>(query.scope.size(), 1); length <= Key::kMaxLength;
       ++length) {
    ranges.push_back(tenant + static_cast<char>(length) + query.scope);
  }
  return ranges;
}

// One page of a listing: `take` gets each key, and makes a row of it or not. For one use; the query
// must outlive it.
template <typename Row>
class PageWalk {
 public:
  using Take = std::function<Result<std::optional<Row>>(const Key&, std::string_view value)>;
  PageWalk(const ListQuery& query, int64_t now_ms, Take take)
      : query_(query), take_(std::move(take)) {
    page_.now_ms = now_ms;
  }

  Result<Page<Row>> In(RocksDatabase& db, Family family) {
    const std::string after = query_.after.has_value() ? KeyAt(query_, *query_.after) : "";
    for (const std::string& range : RangesOf(query_)) {
      if (over_ || !fault_.ok()) break;
      if (after > range && !after.starts_with(range)) continue;  // it was on an earlier page
      ONCED_RETURN_IF_ERROR(db.Walk(family, range, after < range ? "" : after,
                                    [this](std::string_view encoded, std::string_view value) {
                                      return Step(encoded, value);
                                    }));
    }
    ONCED_RETURN_IF_ERROR(fault_);
    page_.sequence = db.LatestSequence();
    return std::move(page_);
  }

 private:
  // False: no further.
  bool Step(std::string_view encoded, std::string_view value) {
    if (page_.rows.size() == query_.limit || seen_ == kRowsPerCall) {
      page_.next = PlaceOf(query_, *last_);
      over_ = true;
      return false;
    }
    ++seen_;
    Result<Key> key = Key::Decode(encoded);
    if (!key.ok()) {
      fault_ = key.status();
      return false;
    }
    last_ = *std::move(key);
    if (!last_->key().starts_with(query_.prefix)) return true;
    Result<std::optional<Row>> row = take_(*last_, value);
    if (!row.ok()) {
      fault_ = row.status();
      return false;
    }
    if (row->has_value()) page_.rows.push_back(*std::move(*row));
    return true;
  }

  const ListQuery& query_;
  const Take take_;
  Page<Row> page_;
  std::optional<Key> last_;
  Status fault_ = Status::Ok();
  size_t seen_ = 0;
  bool over_ = false;
};

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
  return walk.In(*parts_->db, Family::kRecords);
}

Result<Page<ListedEffect>> RocksStore::ListEffects(const ListQuery& query) {
  PageWalk<ListedEffect> walk(
      query, parts_->clock->NowMs(),
      [](const Key& key, std::string_view value) -> Result<std::optional<ListedEffect>> {
        return std::optional<ListedEffect>({.key = key, .value = std::string(value)});
      });
  return walk.In(*parts_->db, Family::kEffects);
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
