// SPDX-License-Identifier: MIT
// LogEvent: everything that onced says while it serves, by a name that stays: what alerts and
// searches key on, whatever becomes of the words. server/LOGS.md is held against this table.
//
// Threads: values and pure functions.
// Invariants: a name is never given to another event.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace onced {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };
std::string_view NameOf(LogLevel level);  // "debug", "info", "warn", "error"

enum class LogEvent : uint8_t {
  kListening,
  kReady,
  kWarning,
  kReload,
  kReloadRefused,
  kDrainStart,
  kDrainCut,
  kStopped,
  kStartFailed,
  kLogFailed,
  kLeaving,
  kStorageFault,
  kDatabaseAway,
  kDatabaseBack,
  kUpstreamFault,
  kShadow,
  kUnknownCommand,
  kScriptLog,
  kRequest,
  kRequestError,
  kSlowRequest,
  kProbe,
  kLinesDropped,
};

struct LogEventRow {
  LogEvent event;
  std::string_view name;
  LogLevel level;
  std::string_view component;  // unless the line says another
  // At most so many lines a second, the rest counted in the next one (`suppressed`); 0: all.
  uint32_t per_second;
  std::string_view meaning;
};
std::span<const LogEventRow> LogEvents();
const LogEventRow& RowOf(LogEvent event);

// How a door tells its operator of trouble: no key, no body, no token in `what`.
using Report = std::function<void(LogEvent event, const std::string& what)>;

}  // namespace onced
