// SPDX-License-Identifier: MIT
#include "bench/redis_sides.h"

#include <cstdlib>
#include <thread>

#include "bench/loopback.h"
#include "bench/resp_client.h"

namespace onced::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kStartPatience{120};
constexpr std::chrono::milliseconds kPause{1};
constexpr char kBenchmarkPatience[] = "700";  // seconds, for timeout(1)

}  // namespace

RedisSide::RedisSide(const std::function<Words(const std::string&, const std::string&)>& words)
    : port_(FreePort()), words_(words(std::to_string(port_), folder_.path())) {
  Start("", "");
}

double RedisSide::Start(const std::string& key, const std::string& value) {
  const Clock::time_point begin = Clock::now();
  child_.emplace(Command{.words = words_}, folder_.path() / "log");
  // Before redis-server has read its file it answers each command with an error.
  while (Clock::now() - begin < kStartPatience && !child_->HasEnded()) {
    if (RespClient client(port_);
        client.is_connected() && client.Ask({"GET", key}).front() == value) {
      return std::chrono::duration<double>(Clock::now() - begin).count();
    }
    std::this_thread::sleep_for(kPause);
  }
  Fail(words_.front() + " does not answer what it was told: " + child_->Log());
}

void RedisSide::End(int signal) {
  if (!child_->End(signal)) Fail(words_.front() + " does not stop");
  child_.reset();
}

OncedSide::OncedSide(const std::string& program, const std::string& durability,
                     const std::string& footprint)
    : RedisSide([&](const std::string& port, const std::string& folder) -> Words {
        return {program,       "serve",          "--http",
                "127.0.0.1:0", "--redis",        "127.0.0.1:" + port,
                "--data",      folder + "/data", "--durability",
                durability,    "--footprint",    footprint};
      }) {}

std::vector<std::string> RedisServerWords(const std::string& port, const std::string& folder,
                                          const std::string& appendfsync) {
  std::vector<std::string> words = {"redis-server", "--port", port,    "--bind", "127.0.0.1",
                                    "--save",       "",       "--dir", folder};
  if (appendfsync == "off") return words;
  words.insert(words.end(), {"--appendonly", "yes", "--appendfsync", appendfsync});
  return words;
}

RedisServerSide::RedisServerSide(const std::string& appendfsync)
    : RedisSide([&](const std::string& port, const std::string& folder) {
        return RedisServerWords(port, folder, appendfsync);
      }) {}

double RunRedisBenchmark(const RedisLoad& load, int port, int64_t requests) {
  std::vector<std::string> words = {"timeout", kBenchmarkPatience, "redis-benchmark"};
  const auto add = [&](const char* flag, int64_t value) {
    words.emplace_back(flag);
    words.push_back(std::to_string(value));
  };
  add("-p", port);
  add("-c", 50);
  add("-n", requests);
  add("-r", load.spread);
  add("-P", load.pipeline);
  add("--dbnum", load.database);
  words.emplace_back("--csv");
  words.insert(words.end(), load.command.begin(), load.command.end());
  const std::string said = Output({.words = words});
  // Its last line: "the command","requests per second","latencies"...
  const size_t line = said.rfind('\n', said.size() - 2) + 1;
  return NumberAfter(said.substr(line), "\",\"");
}

}  // namespace onced::bench
