// SPDX-License-Identifier: MIT
// The half of PostgresStore that only looks: pages of records, of effects, of a key's ended runs,
// with the places that RocksStore's pages end at. Rows come a thousand at a time, and of a record
// only what stands before its result.
#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/coding.h"
#include "engine/page_walk.h"
#include "engine/postgres_parts.h"
#include "engine/postgres_statements.h"

namespace onced {
namespace {

constexpr size_t kRowsPerStatement = 1'000;
// A record without its result is no longer than this (FORMAT.md).
constexpr int64_t kHeadMax = 72 + 1 + 128 + 1 + 64 + 1 + 128;
constexpr int64_t kWhole = INT32_MAX;

// A row as kListRecords and kListEffects give it.
struct ListedRow {
  uint64_t fence = 0;
  int64_t dead_at_ms = 0;
  std::string_view bytes;  // the first of them
  size_t size = 0;
};

// Goes through a table in the order of its keys.
class TableWalk {
 public:
  using Ask = std::function<Result<std::vector<PostgresRows>>(std::span<const PostgresCall>)>;
  TableWalk(const PostgresStatement& list, int64_t bytes, PostgresValue clock, size_t rows, Ask ask)
      : list_(list),
        bytes_(bytes),
        clock_(clock),
        rows_(std::min(rows, kRowsPerStatement - 1) + 1),
        ask_(std::move(ask)) {}

  // As PageWalk::Over asks for it. `until`: nothing that lies behind it is wanted later.
  Status Walk(const std::string& range, const std::string& after, const std::string& until,
              const RowVisitor& visit) {
    // The row that was read last, and lay behind its range, tells that those in between are empty.
    if (beyond_ > range && !beyond_.starts_with(range)) return Status::Ok();
    std::string from = after;
    if (from.empty()) {  // from what begins with `range` on: behind all that is less
      from = range;
      from.back() = static_cast<char>(from.back() - 1);
      from.append(1, '\xFF').append(Key::kMaxLength * 3, '\xFF');
    }
    for (;;) {
      const PostgresCall call{&list_,
                              {std::string_view(from), std::string_view(until),
                               static_cast<int64_t>(rows_), bytes_, clock_}};
      const Result<std::vector<PostgresRows>> answer = ask_({&call, 1});
      if (!answer.ok()) return answer.status();
      const PostgresRows& rows = (*answer)[0];
      for (size_t i = 0; i < rows.size(); ++i) {
        const std::string_view key = rows.Bytes(i, 1);
        if (!key.starts_with(range)) {
          beyond_ = key;
          return Status::Ok();
        }
        row_ = {.fence = static_cast<uint64_t>(rows.Integer(i, 2)),
                .dead_at_ms = rows.Integer(i, 3),
                .bytes = rows.Bytes(i, 4),
                .size = static_cast<size_t>(rows.Integer(i, 5))};
        if (!visit(key, row_.bytes)) return Status::Ok();
      }
      if (rows.size() < rows_) {
        beyond_ = until;
        return Status::Ok();
      }
      from = rows.Bytes(rows.size() - 1, 1);
      rows_ = kRowsPerStatement;
    }
  }

  // Of which `visit` is told.
  const ListedRow& row() const { return row_; }

 private:
  const PostgresStatement& list_;
  const int64_t bytes_;
  const PostgresValue clock_;
  size_t rows_;
  const Ask ask_;
  std::string beyond_;
  ListedRow row_;
};

template <typename Row>
Result<Page<Row>> Walked(TableWalk& table, const ListQuery& query, PageWalk<Row>& walk) {
  const std::string tenant = Key::TenantPrefix(query.tenant);
  return walk.Over(
      [&](const std::string& range, const std::string& after, const RowVisitor& visit) {
        return table.Walk(range, after, EndOf(query.scope_is_prefix ? tenant : range), visit);
      });
}

}  // namespace

Result<Page<ListedRecord>> PostgresStore::List(const ListQuery& query) {
  const int64_t now_ms = parts_->NowMs();
  TableWalk table(statements::kListRecords, kHeadMax, parts_->Clock(), query.limit,
                  [this](std::span<const PostgresCall> calls) { return parts_->Ask(calls); });
  PageWalk<ListedRecord> walk(
      query, now_ms,
      [&](const Key& key, std::string_view head) -> Result<std::optional<ListedRecord>> {
        if (IsDead(table.row().dead_at_ms, now_ms)) return std::optional<ListedRecord>();
        Result<Record> record = Record::Decode(head);
        if (!record.ok()) return record.status();
        if (query.state.has_value() && record->state != *query.state) {
          return std::optional<ListedRecord>();
        }
        record->fence = table.row().fence;
        std::optional<size_t> result_bytes;
        if (record->result.has_value()) {
          result_bytes = record->result->size() + table.row().size - head.size();
        }
        record->result.reset();
        return std::optional<ListedRecord>(
            {.key = key, .record = std::move(*record), .result_bytes = result_bytes});
      });
  return Walked(table, query, walk);
}

Result<Page<ListedEffect>> PostgresStore::ListEffects(const ListQuery& query) {
  TableWalk table(statements::kListEffects, kWhole, parts_->Clock(), query.limit,
                  [this](std::span<const PostgresCall> calls) { return parts_->Ask(calls); });
  PageWalk<ListedEffect> walk(
      query, parts_->NowMs(),
      [](const Key& key, std::string_view value) -> Result<std::optional<ListedEffect>> {
        return std::optional<ListedEffect>({.key = key, .value = std::string(value)});
      });
  return Walked(table, query, walk);
}

Result<LiveCount> PostgresStore::CountLive(std::string_view tenant, const std::string& after) {
  LiveCount count;
  size_t seen = 0;
  const int64_t now_ms = parts_->NowMs();
  std::string last;
  TableWalk table(statements::kListRecords, /*bytes=*/0, parts_->Clock(), kRowsPerStatement,
                  [this](std::span<const PostgresCall> calls) { return parts_->Ask(calls); });
  const std::string prefix = Key::TenantPrefix(tenant);
  const Status walked = table.Walk(prefix, after, EndOf(prefix),
                                   [&](std::string_view encoded, std::string_view /*head*/) {
                                     if (seen == kRowsPerCall) {
                                       count.next = last;
                                       return false;
                                     }
                                     if (++seen == kRowsPerCall) last = encoded;
                                     if (!IsDead(table.row().dead_at_ms, now_ms)) ++count.live;
                                     return true;
                                   });
  ONCED_RETURN_IF_ERROR(walked);
  return count;
}

Result<Page<std::string>> PostgresStore::ReadEffect(const Key& key) {
  const PostgresCall call{&statements::kReadEffect, {std::string_view(key.encoded())}};
  const Result<std::vector<PostgresRows>> rows = parts_->Ask({&call, 1});
  if (!rows.ok()) return rows.status();
  Page<std::string> page{.now_ms = parts_->NowMs()};
  if (!(*rows)[0].empty()) page.rows.emplace_back((*rows)[0].Bytes(0, 0));
  return page;
}

Result<Page<Run>> PostgresStore::Runs(const Key& key) {
  Page<Run> page{.now_ms = parts_->NowMs()};
  const PostgresCall call{
      &statements::kListRuns,
      {std::string_view(key.encoded()), page.now_ms, static_cast<int64_t>(kRowsPerCall)}};
  const Result<std::vector<PostgresRows>> answer = parts_->Ask({&call, 1});
  if (!answer.ok()) return answer.status();
  const PostgresRows& rows = (*answer)[0];
  for (size_t i = 0; i < rows.size(); ++i) {
    Result<Run> run = Run::Decode(rows.Bytes(i, 1), static_cast<uint64_t>(rows.Integer(i, 0)));
    if (!run.ok()) return run.status();
    page.rows.push_back(std::move(*run));
  }
  return page;
}

}  // namespace onced
