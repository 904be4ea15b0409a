// SPDX-License-Identifier: MIT
#include "server/doors.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kEdgeMemory = size_t{32} << 20;
// Who has to wait longer for a remote store, or behind more, is better off asking another onced.
constexpr size_t kRemoteLineMax = 1'000;
constexpr milliseconds kRemotePatience{5'000};

PortGuard GuardOf(const ServeOptions& options) {
  if (!options.tokens.empty()) return PortGuard::kTokens;
  return IsLoopback(options.host) ? PortGuard::kLoopback : PortGuard::kOpen;
}

milliseconds Left(steady_clock::time_point until) {
  return std::max(std::chrono::ceil<milliseconds>(until - steady_clock::now()), milliseconds(0));
}

}  // namespace

Ports Ports::TakeAll(const ServeOptions& options, std::vector<Status>* faults) {
  const auto take = [faults](const std::string& host, uint16_t port, const char* hint) {
    Result<std::unique_ptr<wire::Port>> taken = wire::Port::Take(host, port);
    if (taken.ok()) return std::move(*taken);
    const Status& fault = taken.status();
    faults->push_back(
        fault.fault() == Fault::kUnavailable ? Status::Unavailable(fault.message() + hint) : fault);
    return std::unique_ptr<wire::Port>();
  };
  Ports ports;
  ports.api = take(options.host, options.port, "");
  if (options.redis.has_value()) {
    ports.redis = take(options.redis->host, options.redis->port,
                       "; if a redis-server has it, stop that or choose another with --redis "
                       "HOST:PORT");
  }
  if (options.gateway.enabled) ports.gateway = take(options.gateway.host, options.gateway.port, "");
  return ports;
}

Result<Ports> Ports::Take(const ServeOptions& options) {
  std::vector<Status> faults;
  Ports ports = TakeAll(options, &faults);
  if (!faults.empty()) return faults.front();
  return ports;
}

std::vector<Status> Ports::Faults(const ServeOptions& options) {
  std::vector<Status> faults;
  (void)TakeAll(options, &faults);
  return faults;
}

Doors::Doors(const ServeOptions& options, Ground ground)
    : options_(options),
      ground_(std::move(ground)),
      reloaded_ms_(ground_.storage->NowMs()),
      access_(ground_.log, options.access),
      ledger_(ground_.storage->store(), {.wait_at_gate = false}) {}

Result<std::unique_ptr<Doors>> Doors::Open(const ServeOptions& options, Ports ports,
                                           Ground ground) {
  std::unique_ptr<Doors> doors(new Doors(options, std::move(ground)));
  if (doors->ground_.doorkeeper != nullptr) {
    doors->quota_ = std::make_unique<KeyQuota>(&doors->ledger_);
    doors->quota_->Watch(*doors->ground_.doorkeeper->Book());
  }
  if (doors->ground_.before_serving) doors->ground_.before_serving();
  if (ports.gateway != nullptr) {
    ONCED_RETURN_IF_ERROR(doors->OpenGateway(std::move(ports.gateway)));
  }
  if (ports.redis != nullptr) ONCED_RETURN_IF_ERROR(doors->OpenRedis(std::move(ports.redis)));
  ONCED_RETURN_IF_ERROR(doors->OpenApi(std::move(ports.api)));
  return doors;
}

void Doors::Watch(const TokenBook& book) {
  if (quota_ != nullptr) quota_->Watch(book);
  if (redis_ != nullptr) redis_->JudgeTokens();
}

void Doors::Reload(std::vector<Route> routes) {
  if (gateway_ != nullptr) gateway_->Reload(std::move(routes));
}

void Doors::NoteReload(bool successful) {
  reload_successful_ = successful;
  if (successful) reloaded_ms_ = ground_.storage->NowMs();
}

Observed Doors::Observe() const {
  Observed observed{.version = ONCED_VERSION,
                    .storage = ground_.storage->Figures(),
                    .tally = tally_.Read(),
                    .reload_successful = reload_successful_,
                    .reloaded_unix_s = static_cast<double>(reloaded_ms_) / 1'000};
  const auto add = [&](Door door, const wire::ListenerCounts& counts) {
    observed.connections.push_back(
        {.door = door, .open = counts.connections, .parked = counts.parked});
  };
  MutexLock lock(coming_and_going_);
  if (api_listener_ != nullptr) add(Door::kApi, api_listener_->Counts());
  if (gateway_listener_ != nullptr) add(Door::kGateway, gateway_listener_->Counts());
  if (redis_ != nullptr) {
    observed.connections.push_back({.door = Door::kRedis, .open = redis_->connections()});
  }
  if (gateway_ != nullptr) gateway_->Observe(&observed);
  return observed;
}

ApiOptions Doors::ApiTerms() {
  ApiOptions terms{
      .defaults = {.lease_ms = options_.lease.count(), .retention_ms = options_.retention.count()},
      .version = ONCED_VERSION,
      .durability = ground_.storage->durability(),
      .limits = options_.limits,
      .waiters = options_.waiters,
      .audit = options_.audit,
      .doorkeeper = ground_.doorkeeper,
      .quota = quota_.get(),
      .guard = GuardOf(options_),
      .checks = [this] { return ground_.storage->Checks(draining_); },
      .now_ms = [storage = ground_.storage] { return storage->NowMs(); },
      .draining = [this] { return draining_.load(); },
      .observe = [this] { return Observe(); },
      .metrics =
          [this] {
            Observed observed = Observe();
            observed.process = ReadProcess();
            return MetricsText(observed);
          },
      .requests = [this] { return access_.Json(); },
      .tally = &tally_,
      .report = Reports()};
  if (StoredFiles* const files = ground_.storage->files()) {
    terms.backup = [files](const std::string& folder) { return files->Backup(folder); };
  }
  if (gateway_ != nullptr) {
    terms.gateway_status = [gateway = gateway_.get()] { return gateway->StatusJson(); };
  }
  return terms;
}

Report Doors::Reports() {
  return [log = ground_.log](LogEvent event, const std::string& what) { log->Say(event, what); };
}

// What every port shares, whichever door is behind it.
wire::ListenerOptions Doors::Listening() {
  wire::ListenerOptions listening;
  listening.tls = ground_.tls;
  listening.limits = options_.limits;
  listening.deadlines = options_.deadlines;
  listening.connections_max = ground_.connections_max;
  if (options_.footprint == Footprint::kEdge) listening.memory_max = kEdgeMemory;
  if (ledger_.is_remote()) {
    listening.pool_threads = ground_.storage->calls_at_once();
    listening.pool_line_max = kRemoteLineMax;
    listening.pool_patience = kRemotePatience;
  }
  listening.is_durable = [this](uint64_t sequence) { return ledger_.IsDurable(sequence); };
  listening.when_durable = [this](uint64_t sequence, std::function<void()> pass) {
    ledger_.WhenDurable(sequence, std::move(pass));
  };
  return listening;
}

Status Doors::OpenApi(std::unique_ptr<wire::Port> port) {
  api_ = std::make_unique<Api>(&ledger_, ApiTerms());
  wire::ListenerOptions listening = Listening();
  listening.handler = [api = api_.get()](httplib::Response& response, wire::Exchange& exchange) {
    api->Handle(response, exchange);
  };
  listening.wants_body = [api = api_.get()](const wire::Request& head, const wire::Peer& peer) {
    return api->Admits(head, peer);
  };
  listening.blocks = Api::Blocks;
  listening.is_probe = Api::IsProbe;
  listening.leaves = [this](const wire::Tag& tag) {
    const auto mark = static_cast<CameTo>(tag.mark);
    const auto took = steady_clock::now() - tag.begun;
    tally_.Count(Door::kApi, mark == CameTo::kByStatus ? CameToOfStatus(tag.status) : mark);
    tally_.Status(Door::kApi, tag.status);
    tally_.Took(Door::kApi, took);
    access_.Tell(Door::kApi, mark, tag, took);
  };
  Result<std::unique_ptr<wire::Listener>> started =
      wire::Listener::Start(std::move(listening), std::move(port));
  if (!started.ok()) return started.status();
  MutexLock lock(coming_and_going_);
  api_listener_ = std::move(*started);
  return Status::Ok();
}

Status Doors::OpenGateway(std::unique_ptr<wire::Port> port) {
  GatewayParts parts{.ledger = &ledger_, .doorkeeper = ground_.doorkeeper, .quota = quota_.get()};
  parts.tls = ground_.tls != nullptr;
  if (options_.footprint == Footprint::kEdge) parts.memory_max = kEdgeMemory;
  parts.upstream_connections_max = ground_.connections_max;
  parts.body_max = options_.limits.body_bytes;
  parts.report = Reports();
  Result<std::unique_ptr<Gateway>> gateway = Gateway::Start(options_.gateway, parts);
  if (!gateway.ok()) return gateway.status();
  gateway_ = std::move(*gateway);
  Gateway* const door = gateway_.get();
  wire::ListenerOptions listening = Listening();
  listening.handler = [door](httplib::Response& response, wire::Exchange& exchange) {
    door->Handle(response, exchange);
  };
  listening.wants_body = [door](const wire::Request& head, const wire::Peer& peer) {
    return door->Admits(head, peer);
  };
  listening.streams = [door](const wire::Request& head, const wire::Peer& peer) {
    return door->Streams(head, peer);
  };
  // What its requests came to it counts itself.
  listening.leaves = [this](const wire::Tag& tag) {
    const auto took = steady_clock::now() - tag.begun;
    tally_.Status(Door::kGateway, tag.status);
    tally_.Took(Door::kGateway, took);
    access_.Tell(Door::kGateway, static_cast<CameTo>(tag.mark), tag, took);
  };
  listening.limits.coded_bodies = true;
  listening.blocks = [](const wire::Request&) { return false; };
  // The others are for the upstreams' thread: more loops would only wake each other (measured: with
  // two on two cores 0.53x of nginx in first runs, with one 0.57x).
  listening.io_threads = std::max(1U, std::thread::hardware_concurrency() / 2);
  Result<std::unique_ptr<wire::Listener>> started =
      wire::Listener::Start(std::move(listening), std::move(port));
  if (!started.ok()) return started.status();
  gateway_listener_ = std::move(*started);
  return Status::Ok();
}

Status Doors::OpenRedis(std::unique_ptr<wire::Port> port) {
  keyspace_ = ground_.storage->files()->NewKeyspace();
  RedisDoorOptions options{
      .keyspace = keyspace_.get(),
      .ledger = {.ledger = &ledger_,
                 .doorkeeper = ground_.doorkeeper,
                 .quota = quota_.get(),
                 .lease_ms = options_.lease.count(),
                 .retention_ms = options_.retention.count(),
                 .tally = &tally_},
      .is_durable = [this](uint64_t sequence) { return ledger_.IsDurable(sequence); },
      .when_durable =
          [this](uint64_t sequence, std::function<void()> pass) {
            ledger_.WhenDurable(sequence, std::move(pass));
          },
      .tls = ground_.tls,
      .connections_max = ground_.connections_max,
      .version = ONCED_VERSION,
      .durability = ground_.storage->durability(),
      .scripts = options_.redis_scripts.value_or(IsLoopback(options_.redis->host)),
      .report = Reports()};
  if (options_.footprint == Footprint::kEdge) options.memory_max = kEdgeMemory;
  if (ground_.doorkeeper != nullptr) {
    options.still_admits = [doorkeeper = ground_.doorkeeper](const std::string& tenant,
                                                             const TokenDigest& token) {
      const std::shared_ptr<const TokenBook> book = doorkeeper->Book();
      const Caller* const caller = book->OfDigest(token);
      return caller != nullptr && caller->tenant == tenant;
    };
    options.authenticate = [doorkeeper = ground_.doorkeeper](std::string_view user,
                                                             std::string_view token) {
      const std::shared_ptr<const TokenBook> book = doorkeeper->Book();
      const Caller* const caller = book->OfToken(token);
      const bool named = user == "default" || (caller != nullptr && user == caller->tenant);
      return caller != nullptr && named ? caller->tenant : std::string();
    };
  }
  Result<std::unique_ptr<RedisDoor>> started =
      RedisDoor::Start(std::move(options), std::move(port));
  if (!started.ok()) return started.status();
  redis_ = std::move(*started);
  return Status::Ok();
}

// The gateway first: clients, and then the runs whose clients have gone.
Doors::Closed Doors::Close(milliseconds patience) {
  draining_ = true;
  const auto until = steady_clock::now() + patience;
  bool finished = true;
  if (gateway_listener_ != nullptr) {
    finished = gateway_listener_->Stop(Left(until));
    if (gateway_listener_->IsHeldUp()) return Closed::kHeldUp;
    {
      MutexLock lock(coming_and_going_);
      gateway_listener_.reset();
    }
    if (!gateway_->Stop(Left(until))) return Closed::kHeldUp;
  }
  if (redis_ != nullptr && !redis_->Stop(Left(until))) return Closed::kHeldUp;
  finished = api_listener_->Stop(Left(until)) && finished;
  if (api_listener_->IsHeldUp()) return Closed::kHeldUp;
  api_listener_.reset();
  return finished ? Closed::kFinished : Closed::kCutOff;
}

}  // namespace onced
