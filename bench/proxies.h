// SPDX-License-Identifier: MIT
// What gateway_bench puts in front of the timed service: onced's gateway, and nginx, which does
// nothing but pass on.
//
// Threads: use from one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/child.h"
#include "bench/servers.h"
#include "bench/wrk.h"

namespace onced::bench {

// Answers 100 bytes after `ms`, and counts.
class TimedService {
 public:
  TimedService(const std::string& program, int ms);
  int port() const { return port_; }
  int64_t Count() const;

 private:
  const TempFolder folder_;
  const Child child_;
  const int port_;
};

inline constexpr char kNginx[] = "/usr/sbin/nginx";
// Writes a configuration into the folder, with what its `main` part and its `http` block are to
// hold besides, and returns the words that run it in the foreground.
std::vector<std::string> NginxWords(const std::filesystem::path& folder, const std::string& main,
                                    const std::string& http);

// nginx with `proxy_pass`, two workers and kept connections.
class NginxProxy {
 public:
  explicit NginxProxy(int upstream_port);
  Measured Serve(const Workload& workload, const WrkOptions& options);

  static bool IsInstalled();

 private:
  const TempFolder folder_;
  const int port_;
  const Child child_;
};

// `onced serve --gateway` with an empty data folder.
class OncedGateway {
 public:
  OncedGateway(const std::string& program, const std::string& durability,
               const TimedService& service);
  // Runs it, and checks that the service was asked as often as wrk had answers, or, for
  // kKeyedDuplicate, once at most.
  Measured Serve(Workload workload, const WrkOptions& options);
  int gateway_port() const { return gateway_port_; }
  const Child& child() const { return child_; }

 private:
  const TimedService& service_;
  const TempFolder folder_;
  const Child child_;
  const int gateway_port_;
  int scopes_ = 0;
};

}  // namespace onced::bench
