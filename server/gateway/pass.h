// SPDX-License-Identifier: MIT
// Pass: a request that carries no key, or a method that needs none: sent on and answered as it
// comes, in constant memory both ways. Nothing of it is kept, and it is sent once. The head of the
// answer must come within the route's deadline, counted from the end of the request's body; all of
// it within an hour.
//
// Threads: see Asking; the events come on the upstreams' thread.
// Invariants: 1. A small answer that is whole when its client is asked again leaves in one write.
// 2. A client that goes away ends the call: nobody else waits for it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/gateway/asking.h"
#include "server/gateway/breaker.h"
#include "server/gateway/telling_box.h"

namespace onced {

// Hears of the call. It outlives the request's client.
class Passage : public CallEvents, public std::enable_shared_from_this<Passage> {
 public:
  // `pass`: the breaker's.
  Passage(GatewayServices* services, std::shared_ptr<const Route> route, Breaker::Pass pass)
      : services_(services), route_(std::move(route)), breaker_pass_(pass) {}

  void Start(UpstreamRequest request);
  TellingBox& box() { return box_; }
  // Its client has gone; or the upstream has taken too long.
  void Abandon(bool timed_out);

  void OnTaken(uint64_t call) override { call_ = call; }
  void OnHead(int status, HeaderList headers, int64_t length) override;
  bool OnBody(std::string_view bytes) override;
  void OnEnd(CallEnd end, std::string why) override;

 private:
  Telling Failure(CallEnd end) const;
  void BeginStream();
  void Cancel(bool timed_out);
  void TellBreaker(CallEnd end);

  GatewayServices* const services_;
  const std::shared_ptr<const Route> route_;
  const Breaker::Pass breaker_pass_;
  std::shared_ptr<wire::Pipe> request_body_;  // set before the call

  // On the upstreams' thread only.
  Upstreams::CallId call_ = 0;
  Telling answer_;  // until it is told
  int status_ = 0;
  bool cancelled_ = false;
  bool timed_out_ = false;
  bool ended_ = false;
  bool streams_ = false;
  std::shared_ptr<wire::Pipe> pipe_;

  TellingBox box_;
};

class Pass : public Asking {
 public:
  Pass(GatewayServices* services, std::shared_ptr<const Route> route, Principal principal);
  ~Pass() override;

  std::optional<Telling> Ask(wire::Exchange& exchange) override;

 private:
  UpstreamRequest RequestFor(wire::Exchange& exchange) const;

  GatewayServices* const services_;
  const std::shared_ptr<const Route> route_;
  const Principal principal_;
  std::shared_ptr<Passage> passage_;
  std::optional<std::chrono::steady_clock::time_point> body_ended_;  // as far as was looked
};

}  // namespace onced
