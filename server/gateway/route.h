// SPDX-License-Identifier: MIT
// Route: what the gateway does with the requests that begin with a path: which of them carry a key,
// where they go, and what is kept of their answers. And the table of all routes, which finds one.
//
// Threads: immutable once made, but for the breaker, which any thread may use.
// Invariants: 1. A route found for a request is the one with the longest prefix of whole path
// segments, whatever its methods. 2. Two routes never have the same name: it is part of the scope
// of their keys.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/limits.h"
#include "server/json/json_pointer.h"

namespace onced {

class Breaker;  // server/gateway/breaker.h
struct Origin;  // where an upstream is: server/gateway/upstream.h

// The shape of errors, and which answers are kept unless the route says otherwise.
enum class Profile : uint8_t { kProxySafe, kIetf, kStripeV1 };

// What a whole answer of the upstream means for its key.
enum class Keep : uint8_t {
  kStore,    // the run is completed with it
  kRelease,  // nothing was done: the key is free again
  kUnknown,  // whether something was done cannot be known
};

// Who a key belongs to, besides its route: two principals never see each other's answers.
enum class PrincipalSource : uint8_t {
  kUnset,        // nobody said; as kNone, and only where nobody else can reach the port
  kNone,         // all callers are one
  kToken,        // the tenant of onced's token, in the Authorization header, which is not passed on
  kCertificate,  // the subject of the verified client certificate
  kHeader,       // a header that a trusted proxy in front sets
};

// What becomes of the key on its way to the upstream.
enum class DownstreamKey : uint8_t {
  kPass,
  kDerive,  // HMAC-SHA256 of the route's secret, in hex: the same for the same key
  kDrop,
};

struct FingerprintRules {
  bool method = true;
  bool target = true;  // path and query
  bool content_type = true;
  bool body = true;
  std::vector<std::string> headers;        // whose values count as well
  std::vector<JsonPointer> body_excludes;  // what does not count. With any, a JSON body counts in
                                           // its canonical form
};

struct Route {
  std::string name = "default";                          // 1..32 of a-z, 0-9 and '-'
  std::string prefix = "/";                              // of the path, byte for byte
  std::vector<std::string> methods = {"POST", "PATCH"};  // that carry a key; the others pass
  std::shared_ptr<const Origin> origin;
  std::shared_ptr<Breaker> breaker;  // its origin's

  bool key_required = false;               // without a key: 400, or else it just passes
  std::vector<std::string> key_headers;    // other names of Idempotency-Key, in their order
  std::optional<JsonPointer> key_pointer;  // into the body, when no header has it
  std::string scope;                       // keys are apart by this; the name unless given
  FingerprintRules fingerprint;

  std::chrono::milliseconds retention{kRetentionDefaultMs};
  std::chrono::milliseconds lease{kLeaseDefaultMs};  // renewed until the deadline
  std::chrono::milliseconds deadline{60'000};        // of one upstream call
  std::chrono::milliseconds wait{2'000};             // of a duplicate for the run; 0: 409 at once

  Profile profile = Profile::kProxySafe;
  std::map<int, Keep> statuses;  // 200..599, or 2..5 for a class: before the profile's own
  std::chrono::milliseconds unknown_release_after{0};  // 0: never by itself
  std::vector<std::string> replay_headers;             // kept besides the usual ones
  bool store_body = true;                              // off: for secrets that are shown once
  uint64_t stored_body_max = uint64_t{1} << 20;
  bool shadow = false;  // only watches, counts and reports

  DownstreamKey downstream_key = DownstreamKey::kPass;
  std::string derive_secret;  // from a file
};

// What a whole answer with this status means on the route, unless the answer itself says more: what
// the route says of the status, or of its class, and else its profile:
//
//              stored                   released                               unknown
//   proxy-safe all else, also a 500     401 403 407 408 409 425 429 503 508    502 504
//   ietf       all else                 401 403 407 408 409 425 429, all 5xx
//   stripe-v1  all else, also a 500     401 409 429 503 508                    502 504
//
// A status that is none (RFC 9110 section 15: not in 100..599) counts as 500, and so does a 1xx,
// which is never the last word.
Keep KeepOf(const Route& route, int status);

class RouteTable {
 public:
  // REQUIRES: no two have the same name, or the same prefix.
  explicit RouteTable(std::vector<Route> routes);

  // By the path of a raw request target, byte for byte: "/pay" finds "/pay", "/pay/x" and "/pay?x",
  // not "/payments" and not "/%70ay". nullptr when there is none.
  const Route* Find(std::string_view target) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;  // longest prefix first
};

// The gateway as it was configured.
struct GatewayOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 6680;
  bool enabled = false;
  PrincipalSource principal = PrincipalSource::kUnset;
  std::string principal_header;
  bool raw_targets = false;  // pass on targets with dot segments or encoded slashes, as they are
  std::vector<std::string> trusted_proxies;  // whose X-Forwarded-* are kept and appended to
  std::vector<Route> routes;
};

}  // namespace onced
