// SPDX-License-Identifier: MIT
// RawUpstream: the other side of an upstream call, byte by byte: a server on 127.0.0.1 (or on a
// unix socket) of which a test says what happens on each connection. And Heard: what a call's
// events were.
//
// Threads: each connection is served on a thread of its own; the rest from any.
// Invariants: when it is destroyed, every connection has ended and its thread is gone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/mutex.h"
#include "server/gateway/upstream.h"
#include "tests/fixtures.h"

namespace onced {

// One connection, from the server's side. What is read gives up with what there is when the other
// side ends the connection, and after a long time.
class RawPeer {
 public:
  RawPeer(int fd, size_t number) : fd_(fd), number_(number) {}

  size_t number() const { return number_; }  // 0: the first
  int fd() const { return fd_; }
  // The next request, with its body, if that has a Content-Length; "" when none came.
  std::string ReadRequest();
  std::string ReadHead();
  std::string ReadSome(size_t most);
  bool Send(std::string_view bytes);
  // Until the other side ends the connection.
  void WaitForEnd();
  // The connection ends with a reset instead of in good order.
  void Reset();

 private:
  bool ReadMore();

  const int fd_;
  const size_t number_;
  std::string in_;
};

class RawUpstream {
 public:
  // `serve` is called for each connection, which ends when it returns.
  using Serve = std::function<void(RawPeer&)>;
  explicit RawUpstream(Serve serve, const std::string& unix_path = "");
  ~RawUpstream();

  uint16_t port() const { return port_; }
  size_t connections() const;
  std::shared_ptr<const Origin> origin(const std::string& scheme = "http") const;

 private:
  void Accept();

  const Serve serve_;
  const std::string unix_path_;
  uint16_t port_ = 0;
  int listener_ = -1;
  mutable Mutex mutex_;
  std::vector<int> fds_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
  std::thread acceptor_;
};

// Answers every request of a connection with the same bytes.
RawUpstream::Serve AnswerWith(std::string answer);
// "HTTP/1.1 200 OK" with this body and its length.
std::string Ok(std::string_view body);

// What was heard of a call.
class Heard : public CallEvents {
 public:
  void OnHead(int status, HeaderList headers, int64_t length) override EXCLUDES(mutex_);
  bool OnBody(std::string_view bytes) override EXCLUDES(mutex_);
  void OnEnd(CallEnd end, std::string why) override EXCLUDES(mutex_);

  // Waits for it. Throws when it does not come.
  CallEnd End() EXCLUDES(mutex_);
  bool ended() EXCLUDES(mutex_);
  // After the end.
  int status = 0;
  int heads = 0;
  HeaderList headers;
  int64_t length = -2;
  std::string body;
  std::string why;
  int ends = 0;

 private:
  Mutex mutex_;
  CondVar changed_;
  CallEnd end_ GUARDED_BY(mutex_) = CallEnd::kNotSent;
  bool ended_ GUARDED_BY(mutex_) = false;
};

// To /pay?x=%2F.. of the origin.
UpstreamRequest To(std::shared_ptr<const Origin> origin, const std::string& method = "POST",
                   const std::string& body = "");

// Has Upstreams of its own.
struct UpstreamCaller {
  std::shared_ptr<Heard> Call(UpstreamRequest request);
  std::unique_ptr<Upstreams> upstreams_ = Value(Upstreams::Start(100));
};

void PrintTo(CallEnd end, std::ostream* out);

}  // namespace onced
