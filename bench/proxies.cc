// SPDX-License-Identifier: MIT
#include "bench/proxies.h"

#include <httplib.h>

#include <cstdlib>
#include <fstream>

#include "bench/loopback.h"

namespace onced::bench {
namespace {

void CheckHits(int64_t hits, int64_t least, int64_t most) {
  if (hits >= least && hits <= most) return;
  Fail("wrong count: the service was asked " + std::to_string(hits) + " times, not " +
       std::to_string(least) + ".." + std::to_string(most));
}

}  // namespace

std::vector<std::string> NginxWords(const std::filesystem::path& folder, const std::string& main,
                                    const std::string& http) {
  std::string temp;
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    temp += std::string(kind) + "_temp_path " + (folder / kind).string() + ";\n";
  }
  const std::string path = folder / "nginx.conf";
  std::ofstream(path) << "daemon off; " << main << "\n"
                      << "pid " << (folder / "pid").string() << ";\n"
                      << "events { worker_connections 4096; }\n"
                      << "http { access_log off; keepalive_requests 100000000;\n"
                      << temp << http << " }\n";
  return {kNginx, "-c", path, "-e", "stderr"};
}

TimedService::TimedService(const std::string& program, int ms)
    : child_({.words = {program, std::to_string(ms)}}, folder_.path() / "log"),
      port_(std::atoi(child_.Await("127.0.0.1:").c_str())) {}

int64_t TimedService::Count() const {
  httplib::Client client("127.0.0.1", port_);
  const auto answer = client.Get("/count");
  if (!answer || answer->status != 200) Fail("the service does not count");
  return std::atoll(answer->body.c_str());
}

bool NginxProxy::IsInstalled() { return CanRun(kNginx); }

NginxProxy::NginxProxy(int upstream_port)
    : port_(FreePort()),
      child_({.words = NginxWords(
                  folder_.path(), "worker_processes 2; error_log stderr notice;",
                  "upstream service { server 127.0.0.1:" + std::to_string(upstream_port) +
                      "; keepalive 512; keepalive_requests 100000000; }\n"
                      "server { listen 127.0.0.1:" +
                      std::to_string(port_) +
                      "; location / { proxy_pass http://service; proxy_http_version 1.1;"
                      " proxy_set_header Connection \"\"; } }")},
             folder_.path() / "log") {
  child_.Await("start worker process ");
}

Measured NginxProxy::Serve(const Workload& workload, const WrkOptions& options) {
  return RunWrk(workload, port_, options);
}

OncedGateway::OncedGateway(const std::string& program, const std::string& durability,
                           const TimedService& service)
    : service_(service),
      child_(
          {.words = {program, "serve", "--http", "127.0.0.1:0", "--data", folder_.path() / "data",
                     "--durability", durability, "--gateway", "127.0.0.1:0", "--upstream",
                     "http://127.0.0.1:" + std::to_string(service.port())}},
          folder_.path() / "log"),
      gateway_port_(std::atoi(child_.Await("gateway    http://127.0.0.1:").c_str())) {}

Measured OncedGateway::Serve(Workload workload, const WrkOptions& options) {
  if (workload.kind == Workload::Kind::kKeyed) {
    workload.scope = "bench-" + std::to_string(scopes_++);
  }
  const int64_t before = service_.Count();
  const Measured measured = RunWrk(workload, gateway_port_, options);
  const int64_t hits = service_.Count() - before;
  if (workload.kind == Workload::Kind::kKeyedDuplicate) {
    CheckHits(hits, 0, 1);
  } else {
    const auto answered = static_cast<int64_t>(measured.requests);
    // What was under way when wrk stopped, this time and the time before.
    CheckHits(hits, answered, answered + 2 * workload.connections);
  }
  return measured;
}

}  // namespace onced::bench
