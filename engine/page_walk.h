// SPDX-License-Identifier: MIT
// PageWalk: how a listing goes through the keys of a scope, or of several, page by page: the same
// for every store that has them in order. Where a page ends is told by a place, which the next one
// begins after.
//
// Private to the stores.
// Threads: one.
// Invariants: it looks at kRowsPerCall rows at most; a page that ends for that has a `next`.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/store.h"

namespace onced {

constexpr size_t kRowsPerCall = 10'000;

// False: no further.
using RowVisitor = std::function<bool(std::string_view encoded, std::string_view value)>;

// Where a listing stands: at a key of its scope, or, when it goes through several, at a key and its
// scope. No scope has a space in it.
inline std::string PlaceOf(const ListQuery& query, const Key& key) {
  std::string place(key.key());
  if (query.scope_is_prefix) place.insert(0, std::string(key.scope()) + ' ');
  return place;
}

// The encoded key that `place` names. What is no place is before everything.
inline std::string KeyAt(const ListQuery& query, std::string_view place) {
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
inline std::vector<std::string> RangesOf(const ListQuery& query) {
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

  // `ranges` walks what begins with `range`, after `after` if that is not empty, in order, and
  // stops when the visitor says false: Status(range, after, visitor).
  template <typename Ranges>
  Result<Page<Row>> Over(const Ranges& ranges) {
    const std::string after = query_.after.has_value() ? KeyAt(query_, *query_.after) : "";
    for (const std::string& range : RangesOf(query_)) {
      if (over_ || !fault_.ok()) break;
      if (after > range && !after.starts_with(range)) continue;  // it was on an earlier page
      ONCED_RETURN_IF_ERROR(ranges(range, after < range ? "" : after,
                                   [this](std::string_view encoded, std::string_view value) {
                                     return Step(encoded, value);
                                   }));
    }
    ONCED_RETURN_IF_ERROR(fault_);
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

}  // namespace onced
