// SPDX-License-Identifier: MIT
#include "server/serve.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/access/doorkeeper.h"
#include "server/banner.h"
#include "server/config/quantity.h"
#include "server/database_storage.h"
#include "server/doors.h"
#include "server/folder_storage.h"
#include "server/lobby.h"
#include "server/operations/deadline.h"
#include "server/operations/journal.h"
#include "server/operations/last_resort.h"
#include "server/operations/service_manager.h"
#include "server/operations/signals.h"
#include "server/wire/tls.h"

namespace onced {
namespace {

constexpr std::chrono::seconds kLastSyncPatience{20};

// Answers that are held at this moment must never leave: no destructor may run, no buffer be
// flushed. The next start recovers what is on the disk.
[[noreturn]] void EndWithLostLog(Journal& log, const Status& why) {
  log.SayLast(LogEvent::kLogFailed,
              "the storage failed, nothing more can be acknowledged: " + why.message());
  // A table that is damaged is damaged again after a restart; a log that failed may come back
  // whole.
  _exit(why.fault() == Fault::kCorruption ? kExitDataMissing : kExitLogFailed);
}

[[noreturn]] void LeaveWithoutSync(Journal& log) {
  log.SayLast(LogEvent::kLeaving,
              "the storage does not answer; leaving without a last sync, as after a crash");
  _exit(kExitFailure);
}

int Failed(Journal& log, const std::string& why, int exit_code) {
  log.SayLast(LogEvent::kStartFailed, why);
  return exit_code;
}
int Failed(Journal& log, const Status& status) {
  return Failed(log, status.message(), ExitCodeOf(status));
}

// A file that an option names cannot be used.
int Refused(Journal& log, const ServeOptions& options, const std::string& why) {
  log.SayLast(LogEvent::kStartFailed, AsWritten(options, why));
  return kExitUsage;
}

// At SIGHUP what may change while it runs is read again: each of `reloads` takes what is valid, or
// says what is not and keeps what it had.
void ReadAgain(Journal& log, const std::vector<std::function<Status()>>& reloads, Doors& doors) {
  bool successful = true;
  for (const std::function<Status()>& reload : reloads) {
    const Status reloaded = reload();
    if (!reloaded.ok()) log.Say(LogEvent::kReloadRefused, "reload: " + reloaded.message());
    successful = successful && reloaded.ok();
  }
  doors.NoteReload(successful);
}

// Returns the signal that asks for the end. Meanwhile the service manager hears that it lives.
int AwaitStop(Journal& log, const Signals& signals, const ServiceManager& manager, Doors& doors,
              const std::vector<std::function<Status()>>& reloads) {
  constexpr std::chrono::hours kLong{1};
  for (;;) {
    const std::optional<int> number = signals.Wait(manager.watchdog().value_or(kLong));
    if (manager.watchdog().has_value() && doors.Lives()) manager.Tell("WATCHDOG=1");
    if (!number.has_value()) continue;
    if (*number != SIGHUP) return *number;
    ReadAgain(log, reloads, doors);
  }
}

// Every connection is an open file, and the store, which cannot do without its own, must find some
// left: it takes up to a quarter of what the system allows (rocks_options.cc). So of the
// connections asked for this returns those that half of it holds, or a quarter where that is
// little.
// `ends`: how many files a connection may mean: every door has as many of its own, and the gateway
// passes requests on.
size_t ConnectionsWithinFileLimit(Journal& log, size_t wanted, size_t ends) {
  constexpr rlim_t kLittle = 256;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t room = (limit.rlim_max < kLittle ? limit.rlim_max / 4 : limit.rlim_max / 2) / ends;
  if (limit.rlim_max == RLIM_INFINITY || room >= wanted) return wanted;
  log.Say(LogEvent::kWarning, "the hard limit of open files (ulimit -Hn) is " +
                                  std::to_string(limit.rlim_max) +
                                  ": too few for --connections-max " + std::to_string(wanted) +
                                  "; it is " + std::to_string(room));
  return room;
}

Status ReadTlsAgain(Journal& log, wire::TlsCredentials& tls) {
  ONCED_RETURN_IF_ERROR(tls.Reload());
  log.Say(LogEvent::kReload, "reload: the files of TLS are read again");
  return Status::Ok();
}

// Nobody is asked for a certificate, so nobody comes in by one: not what the file's author expects.
void WarnOfIdleSubjects(Journal& log, const ServeOptions& options, const TokenBook& book) {
  if (!options.tls.client_ca.empty() || !book.has_subjects()) return;
  log.Say(LogEvent::kWarning,
          options.tokens +
              ": certificate_subjects do nothing without --tls-client-ca: only tokens are taken");
}

Status ReadTokensAgain(Journal& log, const ServeOptions& options, Doorkeeper& doorkeeper,
                       Doors& doors) {
  ONCED_RETURN_IF_ERROR(doorkeeper.Reload());
  doors.Watch(*doorkeeper.Book());
  log.Say(LogEvent::kReload, "reload: the token file was read again");
  WarnOfIdleSubjects(log, options, *doorkeeper.Book());
  return Status::Ok();
}

// What the file says is taken as a whole or not at all. Of a running onced no option changes, but
// for the gateway's routes, and what the files that options name have in them: which ones wait for
// the next start is told.
Status ReadConfigAgain(Journal& log, const ServeOptions& options, const AskAgain& read_again,
                       Doors& doors) {
  const std::optional<ServeOptions> again = read_again(
      [&log](const std::string& line) { log.Say(LogEvent::kReloadRefused, "reload: " + line); });
  if (!again.has_value()) {
    return Status::InvalidArgument("what is asked for is not valid; the options stay as they were");
  }
  std::string changed;
  for (size_t i = 0; i < options.written.size(); ++i) {
    if (options.written[i] == again->written[i]) continue;
    changed += (changed.empty() ? "" : ", ") + options.written[i].first;
  }
  if (again->gateway.enabled) doors.Reload(again->gateway.routes);
  if (!options.config.empty()) {
    log.Say(LogEvent::kReload,
            "reload: " + options.config + " is valid" +
                (changed.empty() ? "" : "; at the next start it changes: " + changed));
  }
  return Status::Ok();
}

Result<std::unique_ptr<Storage>> OpenStorage(Journal& log, const ServeOptions& options) {
  if (!options.store.empty()) {
    return DatabaseStorage::Open(
        options, [&log](LogEvent event, const std::string& what) { log.Say(event, what); });
  }
  return FolderStorage::Open(
      {.path = options.data,
       .durability = options.durability,
       .sync_interval = options.sync_interval,
       .footprint = options.footprint,
       .audit = options.audit,
       .audit_retention_ms = options.audit_retention.count(),
       .unknown_retention_ms = options.unknown_retention.count(),
       .waiters = options.waiters,
       .accept_data_loss = options.accept_data_loss,
       .on_log_failure = [&log](const Status& why) { EndWithLostLog(log, why); }});
}

// What a crash has left may take a while to be read: who asks meanwhile hears so, the service
// manager waits, and a stop is one at once: the next start goes on where this one was.
class Opening {
 public:
  Opening(Journal* log, const Signals* signals, const ServiceManager* manager,
          const ServeOptions& options, const wire::Port& port,
          const std::shared_ptr<wire::TlsCredentials>& tls)
      : longer_(manager, "opening the store", std::chrono::hours(24)),
        lobby_(options, port, tls),
        impatience_(signals, [log] {
          log->SayLast(LogEvent::kLeaving,
                       "asked to stop while the store was being opened: leaving at once");
          _exit(kExitCutOff);
        }) {}

 private:
  const Extension longer_;
  const Lobby lobby_;
  const Impatience impatience_;
};

// From the outside in: first balancers are told, then nobody comes in, then what runs ends. False:
// some of it did not in time.
bool Drain(Journal& log, const ServeOptions& options, Doors& doors) {
  doors.BeginDraining();
  if (options.drain_delay.count() > 0) {
    log.Say(LogEvent::kDrainStart, "serving for " + DurationText(options.drain_delay.count()) +
                                       " more, while /readyz says 503");
    std::this_thread::sleep_for(options.drain_delay);
  }
  switch (doors.Close(options.drain_timeout)) {
    case Doors::Closed::kFinished:
      return true;
    case Doors::Closed::kCutOff:
      log.Say(LogEvent::kDrainCut, "some requests did not finish in time and were cut off");
      return false;
    case Doors::Closed::kHeldUp:
      LeaveWithoutSync(log);
  }
  return false;
}

}  // namespace

int ExitCodeOf(const Status& status) {
  switch (status.fault()) {
    case Fault::kUnavailable:
      return kExitInUse;
    case Fault::kCorruption:
      return kExitDataMissing;
    case Fault::kInvalidArgument:
      return kExitUsage;
    case Fault::kIoError:
    case Fault::kUnreadable:
    case Fault::kFull:
    case Fault::kNoSpace:
      break;
  }
  return kExitFailure;
}

int Serve(const ServeOptions& options, const AskAgain& read_again) {
  const Signals signals;
  Journal log(options.log_format, options.log_level);
  if (log.format() == LogFormat::kJson) SayLastResortAsJson();
  for (const std::string& line : options.warnings) log.Say(LogEvent::kWarning, line);
  const ServiceManager manager;
  const size_t connections_max = ConnectionsWithinFileLimit(
      log, options.connections_max,
      1U + (options.redis.has_value() ? 1U : 0U) + (options.gateway.enabled ? 2U : 0U));
  std::vector<std::function<Status()>> reloads;
  std::shared_ptr<wire::TlsCredentials> tls;
  if (!options.tls.certificate.empty()) {
    Result<std::unique_ptr<wire::TlsCredentials>> loaded = wire::TlsCredentials::Load(options.tls);
    if (!loaded.ok()) return Refused(log, options, loaded.status().message());
    tls = std::move(*loaded);
    reloads.emplace_back([&log, tls] { return ReadTlsAgain(log, *tls); });
  }
  std::unique_ptr<Doorkeeper> doorkeeper;
  if (!options.tokens.empty()) {
    Result<std::unique_ptr<Doorkeeper>> opened = Doorkeeper::Open(options.tokens);
    if (!opened.ok()) return Refused(log, options, "--tokens: " + opened.status().message());
    doorkeeper = std::move(*opened);
    WarnOfIdleSubjects(log, options, *doorkeeper->Book());
  }
  // Before the folder is touched, which a port in use leaves as it was, or does not make. Who
  // connects while the store opens waits in the queue.
  Result<Ports> ports = Ports::Take(options);
  if (!ports.ok()) return Failed(log, ports.status());
  auto opening = std::make_unique<Opening>(&log, &signals, &manager, options, *ports->api, tls);
  Result<std::unique_ptr<Storage>> storage = OpenStorage(log, options);
  if (!storage.ok()) {
    const Status& fault = storage.status();
    return Failed(log, AsWritten(options, fault.message()),
                  options.store.empty() ? ExitCodeOf(fault) : DatabaseStorage::ExitCodeOf(fault));
  }
  Result<std::unique_ptr<Doors>> doors = Doors::Open(options, std::move(*ports),
                                                     {.storage = storage->get(),
                                                      .doorkeeper = doorkeeper.get(),
                                                      .tls = tls,
                                                      .connections_max = connections_max,
                                                      .before_serving = [&] { opening.reset(); },
                                                      .log = &log});
  if (!doors.ok()) return Failed(log, doors.status());
  reloads.insert(reloads.begin(),
                 [&] { return ReadConfigAgain(log, options, read_again, **doors); });
  if (doorkeeper != nullptr) {
    reloads.emplace_back([&] { return ReadTokensAgain(log, options, *doorkeeper, **doors); });
  }
  SayListening(log, options, **doors);
  manager.Tell("READY=1\nSTATUS=serving");

  const int stop = AwaitStop(log, signals, manager, **doors, reloads);
  log.Say(LogEvent::kDrainStart, std::string(strsignal(stop)) + ": finishing what runs");
  while (signals.Wait(std::chrono::milliseconds(0)).has_value()) {
    // What has come together was one.
  }
  const Extension longer(&manager, "finishing what runs",
                         options.drain_delay + options.drain_timeout + kLastSyncPatience);
  manager.Tell("STOPPING=1");
  const Impatience second(&signals, [&log] {
    log.SayLast(LogEvent::kLeaving, "asked again: leaving at once, as after a crash");
    _exit(kExitCutOff);
  });
  const bool finished = Drain(log, options, **doors);
  const Deadline last_sync(kLastSyncPatience, [&log] { LeaveWithoutSync(log); });
  doors->reset();
  storage->reset();  // syncs and flushes
  log.Say(LogEvent::kStopped, "stopped");
  return finished ? kExitOk : kExitCutOff;
}

}  // namespace onced
