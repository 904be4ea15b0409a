// SPDX-License-Identifier: MIT
// RespClient: a connection to a server of the Redis protocol, for what redis-benchmark cannot do:
// keys that are all there and all different, and looking whether the work was done.
//
// Threads: use from one.
// Invariants: no wait is longer than a minute; whatever goes wrong ends the benchmark.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace onced::bench {

class RespClient {
 public:
  explicit RespClient(int port);
  ~RespClient();
  RespClient(const RespClient&) = delete;
  RespClient& operator=(const RespClient&) = delete;

  bool is_connected() const { return fd_ >= 0; }

  // The reply's strings and numbers in their order, also those of arrays within it; an error is one
  // that begins with '-', and what is not there is empty.
  std::vector<std::string> Ask(const std::vector<std::string>& words);

  // SET of the keys from..to-1 that begin so, pipelined, each to ValueOf it. What was refused for
  // now is sent again.
  void SetKeys(const std::string& prefix, int64_t from, int64_t to);
  int64_t refused() const { return refused_; }  // batches of a thousand
  // The values of about `count` of them, evenly spread and the last among them.
  using Visit = std::function<void(int64_t number, const std::string& value)>;
  void GetKeys(const std::string& prefix, int64_t from, int64_t to, int64_t count,
               const Visit& visit);
  // Whether each of those has ValueOf it; ends the benchmark otherwise.
  void CheckKeys(const std::string& prefix, int64_t from, int64_t to, int64_t count);
  // All keys of the database that begin so.
  int64_t CountKeys(const std::string& prefix);
  // A number of INFO.
  int64_t Info(const std::string& section, const std::string& name);

 private:
  void Send(const std::string& bytes);
  std::string Receive(size_t size);
  std::string ReceiveLine();
  void ReceiveMore();

  int fd_;
  std::string in_;
  size_t at_ = 0;  // of what has come: taken already
  int64_t refused_ = 0;
};

// A command, as it is sent.
std::string Resp(const std::vector<std::string>& words);

// A key as redis-benchmark makes it of `prefix` and __rand_int__, and its 100 bytes, which no
// compression makes much smaller.
std::string KeyOf(const std::string& prefix, int64_t number);
std::string ValueOf(int64_t number);

}  // namespace onced::bench
