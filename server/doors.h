// SPDX-License-Identifier: MIT
// Doors: the ports that are open on one Storage and what is behind each: the API always, the
// gateway when it was asked for.
//
// Threads: all calls from one; the doors themselves serve on threads of their own.
// Invariants: 1. Every port is taken before the store is opened: a start that fails for one has
// touched nothing. 2. They close from the outside in: first nobody comes in any more, then what
// runs ends, then what it stands on goes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/ledger.h"
#include "engine/mutex.h"
#include "server/access/doorkeeper.h"
#include "server/access/key_quota.h"
#include "server/gateway/gateway.h"
#include "server/http/api.h"
#include "server/operations/access_log.h"
#include "server/operations/journal.h"
#include "server/operations/metrics.h"
#include "server/operations/tally.h"
#include "server/options.h"
#include "server/redis/redis_door.h"
#include "server/storage.h"
#include "server/wire/listener.h"
#include "server/wire/port.h"

namespace onced {

struct Ports {
  static Result<Ports> Take(const ServeOptions& options);
  // Of every port that cannot be taken; those that can are free again afterwards.
  static std::vector<Status> Faults(const ServeOptions& options);

  std::unique_ptr<wire::Port> api;
  std::unique_ptr<wire::Port> gateway;  // may be absent
  std::unique_ptr<wire::Port> redis;    // may be absent

 private:
  // As far as they can be; what cannot goes to `faults`.
  static Ports TakeAll(const ServeOptions& options, std::vector<Status>* faults);
};

class Doors {
 public:
  // What they stand on, and where they tell of their troubles.
  struct Ground {
    Storage* storage = nullptr;
    const Doorkeeper* doorkeeper = nullptr;  // absent: no tokens
    std::shared_ptr<wire::TlsCredentials> tls;
    size_t connections_max = 0;            // of each
    std::function<void()> before_serving;  // all is there, and the doors are about to open
    Journal* log = nullptr;
  };
  // `options` must outlive them.
  static Result<std::unique_ptr<Doors>> Open(const ServeOptions& options, Ports ports,
                                             Ground ground);
  Doors(const Doors&) = delete;
  Doors& operator=(const Doors&) = delete;

  uint16_t api_port() const { return api_listener_->port(); }
  uint16_t redis_port() const { return redis_->port(); }
  uint16_t gateway_port() const { return gateway_listener_->port(); }

  // From now on /readyz says that it drains; everything else is served as before.
  void BeginDraining() {
    draining_ = true;
    if (StoredFiles* const files = ground_.storage->files()) files->EndBackups();
  }
  // Whether the thread that tells that the process lives comes round.
  bool Lives() const { return api_listener_->SinceRound() < std::chrono::seconds(10); }

  // The token file was read again.
  void Watch(const TokenBook& book);
  // The gateway's routes were; of no use without a gateway.
  void Reload(std::vector<Route> routes);
  // All that can be read again was: how that went.
  void NoteReload(bool successful);

  // What there is to be seen now, for whoever watches; without the process, which takes longer.
  // From any thread.
  Observed Observe() const EXCLUDES(coming_and_going_);

  enum class Closed {
    kFinished,
    kCutOff,  // some requests did not end in time
    kHeldUp,  // the storage holds some up for ever: nothing here may be destroyed
  };
  Closed Close(std::chrono::milliseconds patience);

 private:
  Doors(const ServeOptions& options, Ground ground);
  ApiOptions ApiTerms();
  wire::ListenerOptions Listening();
  Report Reports();
  Status OpenGateway(std::unique_ptr<wire::Port> port);
  Status OpenApi(std::unique_ptr<wire::Port> port);
  Status OpenRedis(std::unique_ptr<wire::Port> port);

  const ServeOptions& options_;
  const Ground ground_;
  std::atomic<bool> draining_{false};
  std::atomic<bool> reload_successful_{true};
  std::atomic<int64_t> reloaded_ms_;
  Tally tally_;
  AccessLog access_;
  Ledger ledger_;
  std::unique_ptr<KeyQuota> quota_;  // with a doorkeeper
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<Keyspace> keyspace_;  // with redis_
  std::unique_ptr<RedisDoor> redis_;
  std::unique_ptr<Api> api_;
  // Held to set or take away a listener while the API may be asked how all of them are.
  mutable Mutex coming_and_going_;
  std::unique_ptr<wire::Listener> api_listener_;
  std::unique_ptr<wire::Listener> gateway_listener_;
};

}  // namespace onced
