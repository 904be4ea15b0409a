// SPDX-License-Identifier: MIT
#include "engine/ttl_filter.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "engine/record.h"

namespace onced {
namespace {

constexpr char kFirstDeath[] = "onced.first-death-ms";
constexpr char kLastDeath[] = "onced.last-death-ms";

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

class TtlFilter : public rocksdb::CompactionFilter {
 public:
  TtlFilter(int64_t now_ms, std::atomic<uint64_t>* dropped) : now_ms_(now_ms), dropped_(dropped) {}
  ~TtlFilter() override {
    if (dropped_ != nullptr) dropped_->fetch_add(here_, std::memory_order_relaxed);
  }

  const char* Name() const override { return "onced.TtlFilter"; }

  Decision FilterV2(int /*level*/, const rocksdb::Slice& /*key*/, ValueType type,
                    const rocksdb::Slice& value, std::string* /*new_value*/,
                    std::string* /*skip_until*/) const override {
    if (type != ValueType::kValue) return Decision::kKeep;
    const std::optional<int64_t> dead_at_ms = StoredDeadAtMs(View(value));
    const bool dead = dead_at_ms.has_value() && IsDead(*dead_at_ms, now_ms_ - kTtlGraceMs);
    here_ += dead ? 1 : 0;
    return dead ? Decision::kRemove : Decision::kKeep;
  }

 private:
  const int64_t now_ms_;
  std::atomic<uint64_t>* const dropped_;
  mutable uint64_t here_ = 0;  // of one compaction, whose thread alone asks
};

class TtlFilterFactory : public rocksdb::CompactionFilterFactory {
 public:
  TtlFilterFactory(Clock* clock, std::atomic<uint64_t>* dropped)
      : clock_(clock), dropped_(dropped) {}

  const char* Name() const override { return "onced.TtlFilterFactory"; }

  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context& /*context*/) override {
    return std::make_unique<TtlFilter>(clock_->NowMs(), dropped_);
  }

 private:
  Clock* const clock_;
  std::atomic<uint64_t>* const dropped_;
};

class DeathsCollector : public rocksdb::TablePropertiesCollector {
 public:
  const char* Name() const override { return "onced.DeathsCollector"; }

  rocksdb::Status AddUserKey(const rocksdb::Slice& /*key*/, const rocksdb::Slice& value,
                             rocksdb::EntryType type, rocksdb::SequenceNumber /*sequence*/,
                             uint64_t /*file_size*/) override {
    // A tombstone counts as long dead: a table of nothing else is worth rewriting away.
    const int64_t at_ms =
        type == rocksdb::kEntryPut ? StoredDeadAtMs(View(value)).value_or(kNeverMs) : int64_t{0};
    first_ms_ = std::min(first_ms_, at_ms);
    last_ms_ = std::max(last_ms_, at_ms);
    return rocksdb::Status::OK();
  }

  rocksdb::Status Finish(rocksdb::UserCollectedProperties* properties) override {
    *properties = GetReadableProperties();
    return rocksdb::Status::OK();
  }

  rocksdb::UserCollectedProperties GetReadableProperties() const override {
    return {{kFirstDeath, std::to_string(first_ms_)}, {kLastDeath, std::to_string(last_ms_)}};
  }

 private:
  int64_t first_ms_ = kNeverMs;
  int64_t last_ms_ = 0;
};

class DeathsCollectorFactory : public rocksdb::TablePropertiesCollectorFactory {
 public:
  const char* Name() const override { return "onced.DeathsCollectorFactory"; }
  rocksdb::TablePropertiesCollector* CreateTablePropertiesCollector(
      rocksdb::TablePropertiesCollectorFactory::Context /*context*/) override {
    return new DeathsCollector();  // RocksDB takes it over
  }
};

std::optional<int64_t> Number(const rocksdb::UserCollectedProperties& properties,
                              const char* name) {
  const auto found = properties.find(name);
  if (found == properties.end()) return std::nullopt;
  const std::string& text = found->second;
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::unique_ptr<rocksdb::CompactionFilterFactory> NewTtlFilterFactory(
    Clock* clock, std::atomic<uint64_t>* dropped) {
  return std::make_unique<TtlFilterFactory>(clock, dropped);
}

std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> NewDeathsCollectorFactory() {
  return std::make_shared<DeathsCollectorFactory>();
}

std::optional<TableDeaths> DeathsIn(const rocksdb::TableProperties& properties) {
  const auto first = Number(properties.user_collected_properties, kFirstDeath);
  const auto last = Number(properties.user_collected_properties, kLastDeath);
  if (!first.has_value() || !last.has_value()) return std::nullopt;
  return TableDeaths{.first_ms = *first, .last_ms = *last};
}

}  // namespace onced
