// SPDX-License-Identifier: MIT
#include "server/lobby.h"

#include <httplib.h>

#include <utility>

#include "server/web/answer.h"
#include "server/web/readiness.h"
#include "server/wire/listener.h"

namespace onced {
namespace {

using std::chrono::milliseconds;

constexpr size_t kGuestsMax = 64;  // probes: the files are the store's

void Receive(httplib::Response& response, wire::Exchange& exchange) {
  const std::string_view target = exchange.request().target;
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/livez") {
    response.status = 200;
    response.set_content("ok\n", "text/plain");
    return;
  }
  response.headers.emplace("Retry-After", "1");
  response.status = 503;
  // Whatever is asked of it or left out: it is not ready.
  const bool probe = path == "/readyz" || path.starts_with("/readyz/") || path == "/healthz";
  const ReadyQuestion question{.json = WantsJson(exchange.request().Header("Accept"))};
  Answer answer = probe ? ReadyAnswer(RecoveringChecks(), question)
                        : ProblemOf("overloaded", "the store is being opened", 1);
  response.set_content(answer.body, answer.type);
}

}  // namespace

Lobby::Lobby(const ServeOptions& options, const wire::Port& port,
             std::shared_ptr<wire::TlsCredentials> tls, milliseconds patience)
    : options_(options), port_(port.Share()), tls_(std::move(tls)) {
  thread_ = std::thread([this, patience] { Run(patience); });
}

Lobby::~Lobby() {
  over_.Say();
  thread_.join();
}

void Lobby::Run(milliseconds patience) {
  if (over_.Await(patience) || port_ == nullptr) return;
  wire::ListenerOptions listening;
  listening.tls = tls_;
  listening.limits = options_.limits;
  listening.deadlines = options_.deadlines;
  listening.io_threads = 1;
  listening.connections_max = kGuestsMax;
  listening.handler = Receive;
  listening.wants_body = [](const wire::Request&, const wire::Peer&) { return false; };
  listening.blocks = [](const wire::Request&) { return false; };
  listening.is_durable = [](uint64_t) { return true; };
  const Result<std::unique_ptr<wire::Listener>> opened =
      wire::Listener::Start(std::move(listening), std::move(port_));
  if (!opened.ok()) return;  // whoever comes then waits
  (void)over_.Await(std::nullopt);
  (void)(*opened)->Stop(milliseconds(100));
}

}  // namespace onced
