// SPDX-License-Identifier: MIT
#include "server/database_storage.h"

#include <atomic>
#include <chrono>
#include <string_view>
#include <utility>

#include "engine/postgres_connection.h"
#include "engine/postgres_schema.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLookPause{1'000};

// As the option is called, and what to do about it.
Status Told(const Status& fault) {
  switch (fault.fault()) {
    case Fault::kInvalidArgument:
      return Status::InvalidArgument("--" + fault.message());
    case Fault::kCorruption:
      return Status::Corruption("--store: " + fault.message() +
                                " (a newer `onced migrate --store URL` has made them)");
    default:
      return Status::Unavailable("--store: " + fault.message());
  }
}

}  // namespace

class DatabaseStorage::Watch {
 public:
  Watch(Store* store, Key key, Report report)
      : store_(store),
        key_(std::move(key)),
        report_(std::move(report)),
        rounds_(kLookPause, [this] { Look(); }) {}

  DatabaseFigures Figures() const {
    return {.failed = failed_,
            .since_answer =
                std::chrono::duration_cast<milliseconds>(steady_clock::now() - answered_at_.load()),
            .looks_failed = looks_failed_,
            .looks = looks_.Read()};
  }

 private:
  void Look() {
    const auto begun = steady_clock::now();
    const Result<Found> found = store_->Read(key_);
    const auto now = steady_clock::now();
    if (!found.ok()) {
      ++looks_failed_;
      if (!failed_.exchange(true)) report_(LogEvent::kDatabaseAway, found.status().message());
      return;
    }
    if (failed_.exchange(false)) report_(LogEvent::kDatabaseBack, "the database answers again");
    answered_at_ = now;
    looks_.Add(now - begun);
  }

  Store* const store_;
  const Key key_;  // of nobody's
  const Report report_;
  std::atomic<steady_clock::time_point> answered_at_{steady_clock::now()};
  std::atomic<bool> failed_{false};
  std::atomic<uint64_t> looks_failed_{0};
  Durations looks_;
  Rounds rounds_;  // last: it uses all of the above
};

DatabaseStorage::DatabaseStorage(std::unique_ptr<PostgresStore> store, size_t connections,
                                 Report report)
    : store_(std::move(store)),
      connections_(connections),
      watch_(std::make_unique<Watch>(store_.get(), *Key::Make("onced", "readyz", "readyz"),
                                     std::move(report))) {}

DatabaseStorage::~DatabaseStorage() = default;

Result<std::unique_ptr<Storage>> DatabaseStorage::Open(const ServeOptions& options, Report report) {
  Result<std::unique_ptr<PostgresStore>> store =
      PostgresStore::Open({.url = options.store,
                           .connections = options.store_connections,
                           .audit = options.audit,
                           .audit_retention_ms = options.audit_retention.count(),
                           .unknown_retention_ms = options.unknown_retention.count(),
                           .waiters = options.waiters});
  if (!store.ok()) return Told(store.status());
  return std::unique_ptr<Storage>(
      new DatabaseStorage(std::move(*store), options.store_connections, std::move(report)));
}

Status DatabaseStorage::LookAt(const ServeOptions& options) {
  Result<std::unique_ptr<PostgresConnection>> opened =
      PostgresConnection::Open(options.store, PostgresTimeouts{});
  if (!opened.ok()) return Told(opened.status());
  Status fits = CheckPostgresSchema(**opened);
  if (fits.ok()) fits = CheckPostgresSettings(**opened);
  return fits.ok() ? fits : Told(fits);
}

Status DatabaseStorage::CheckUrl(const std::string& url) {
  const Status fault = CheckPostgresUrl(url);
  if (fault.ok()) return fault;
  return Status::InvalidArgument(fault.message().substr(std::string_view("store: ").size()));
}

int DatabaseStorage::ExitCodeOf(const Status& fault) {
  switch (fault.fault()) {
    case Fault::kInvalidArgument:
      return kExitUsage;
    case Fault::kCorruption:
      return kExitDataMissing;
    default:
      return kExitFailure;
  }
}

StorageFigures DatabaseStorage::Figures() const {
  return {.waiters = store_->waiters(), .database = watch_->Figures()};
}

std::vector<ReadyCheck> DatabaseStorage::Checks(bool draining) const {
  return DatabaseChecks(watch_->Figures(), draining);
}

}  // namespace onced
