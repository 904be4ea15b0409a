// SPDX-License-Identifier: MIT
#include "server/operations/log_event.h"

#include <array>

#include "engine/check.h"

namespace onced {
namespace {

constexpr uint32_t kAll = 0;
constexpr uint32_t kFaults = 1;  // one comes with every request; one line is enough to find it by
constexpr uint32_t kRequests = 100;  // what a person, or a disk, can take of them

using enum LogLevel;
constexpr std::array<LogEventRow, 23> kRows = {{
    {LogEvent::kListening, "listening", kInfo, "server", kAll, "a door is open, at `url`"},
    {LogEvent::kReady, "ready", kInfo, "server", kAll, "all doors are open"},
    {LogEvent::kWarning, "warning", kWarn, "server", kAll,
     "an option does not do what it seems to"},
    {LogEvent::kReload, "reload", kInfo, "server", kAll, "SIGHUP: files were read again"},
    {LogEvent::kReloadRefused, "reload_refused", kError, "server", kAll,
     "SIGHUP: a file is not valid; what was there stays"},
    {LogEvent::kDrainStart, "drain_start", kInfo, "server", kAll,
     "a stop was asked for: what runs is finished"},
    {LogEvent::kDrainCut, "drain_cut", kWarn, "server", kAll,
     "the stop did not wait for all that ran (exit code 3)"},
    {LogEvent::kStopped, "stopped", kInfo, "server", kAll, "the last line of a stop in good order"},
    {LogEvent::kStartFailed, "start_failed", kError, "server", kAll, "why it did not start"},
    {LogEvent::kLogFailed, "log_failed", kError, "storage", kAll,
     "the write-ahead log failed: the process ends at once (exit code 74, or 65)"},
    {LogEvent::kLeaving, "leaving", kError, "server", kAll,
     "the process ends at once, as after a crash"},
    {LogEvent::kStorageFault, "storage_fault", kError, "storage", kFaults,
     "the storage failed a request"},
    {LogEvent::kDatabaseAway, "database_away", kError, "storage", kAll,
     "the database of `--store` does not answer; said once"},
    {LogEvent::kDatabaseBack, "database_back", kInfo, "storage", kAll, "it answers again"},
    {LogEvent::kUpstreamFault, "upstream_fault", kWarn, "gateway", kFaults,
     "a service behind the gateway failed a request"},
    {LogEvent::kShadow, "shadow", kInfo, "gateway", kFaults,
     "what a route that only watches would have done"},
    {LogEvent::kUnknownCommand, "unknown_command", kInfo, "redis", kAll,
     "a Redis command that onced does not have, at its first time"},
    {LogEvent::kScriptLog, "script_log", kInfo, "redis", kRequests,
     "what a script gave `redis.log`"},
    {LogEvent::kRequest, "request", kInfo, "http", kAll, "a request was answered"},
    {LogEvent::kRequestError, "request_error", kError, "http", kRequests,
     "a request was answered with 500 or above"},
    {LogEvent::kSlowRequest, "slow_request", kWarn, "http", kRequests,
     "a request took `--slow-request` or longer"},
    {LogEvent::kProbe, "probe", kDebug, "http", kAll,
     "somebody who watches was answered: health, metrics, status"},
    {LogEvent::kLinesDropped, "lines_dropped", kWarn, "server", kAll,
     "nobody took lines from stderr for a while, so that the oldest were dropped"},
}};

}  // namespace

std::string_view NameOf(LogLevel level) {
  constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warn", "error"};
  return kNames[static_cast<size_t>(level)];
}

std::span<const LogEventRow> LogEvents() { return kRows; }

const LogEventRow& RowOf(LogEvent event) {
  const LogEventRow& row = kRows[static_cast<size_t>(event)];
  ONCED_CHECK(row.event == event);
  return row;
}

}  // namespace onced
