// SPDX-License-Identifier: MIT
// ScriptedUpstream: a service for a gateway under test to call. It is made of raw sockets so that
// it can break every rule of HTTP, and it does what the test has written down for the path: bytes
// as they are, a pause until the test opens a latch, an end in good order or with a reset.
//
// What has no script is answered 200 with "METHOD TARGET HIT\n", where HIT counts the requests to
// the path: two runs never look the same. Every request is kept as it came, byte for byte.
//
// Threads: it brings a thread for each connection; every call from any thread.
// Invariants: 1. What a connection sends beyond one request counts as the next one, so a smuggled
// request is seen. 2. A hit is counted before the first step of its script. 3. Nothing outlives the
// object; its end opens every latch of its scripts. 4. Only 127.0.0.1 is listened on.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/mutex.h"
#include "tests/program.h"

namespace onced {

// Holds scripts until the test opens it; open once, it stays open.
class Latch {
 public:
  void Open() EXCLUDES(mutex_);
  void Pass() EXCLUDES(mutex_);  // waits until it is open
  // Until so many scripts have come here in all. False when they did not.
  bool Reached(size_t count = 1) EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ GUARDED_BY(mutex_) = false;
  size_t reached_ GUARDED_BY(mutex_) = 0;
};
std::shared_ptr<Latch> MakeLatch();

// What is done with one request, step by step. At the end the connection is kept, for the next
// request, unless the last step ended it.
class Script {
 public:
  Script& Send(std::string bytes);
  Script& SendTimes(uint64_t times, std::string piece);  // for bodies too large to be held
  Script& Wait(std::shared_ptr<Latch> latch);
  Script& Close();  // in good order
  Script& Reset();  // the other side sees the connection break
  // Begins when the head has come; the body of the request is not read by then.
  Script& BeforeBody();

 private:
  friend class ScriptedUpstream;
  struct Step {
    enum class Kind { kSend, kWait, kClose, kReset };
    Kind kind;
    std::string bytes;
    uint64_t times = 1;
    std::shared_ptr<Latch> latch;
  };
  std::vector<Step> steps_;
  bool before_body_ = false;
};

// An answer that is right: with its Content-Length, unless the status has no body.
std::string AnswerText(int status, const std::string& body = "", const Headers& headers = {});
Script Answer(int status, const std::string& body = "", const Headers& headers = {});

// A request as it came.
struct Seen {
  std::string head;  // with the empty line
  std::string body;  // without its framing; its first 4 MiB
  uint64_t body_bytes = 0;
  std::string method, target;
  Headers headers;  // names as they were sent

  std::string Header(std::string_view name) const;  // "" when there is none
  size_t Count(std::string_view name) const;
};

class ScriptedUpstream {
 public:
  explicit ScriptedUpstream(uint16_t port = 0);  // 0: a free one
  ~ScriptedUpstream();
  ScriptedUpstream(const ScriptedUpstream&) = delete;
  ScriptedUpstream& operator=(const ScriptedUpstream&) = delete;

  uint16_t port() const { return port_; }
  std::string url() const;  // http://127.0.0.1:PORT

  // For every request to `path` (a target up to its '?') from now on.
  void On(const std::string& path, Script script) EXCLUDES(mutex_);
  // For the next one only, before those; may be given several times, in order.
  void Once(const std::string& path, Script script) EXCLUDES(mutex_);

  std::vector<Seen> requests() const EXCLUDES(mutex_);
  Seen last() const EXCLUDES(mutex_);  // a Seen of nothing when there was none
  size_t hits() const EXCLUDES(mutex_);
  size_t HitsOfPath(std::string_view path) const EXCLUDES(mutex_);
  // By the bytes of its Idempotency-Key header.
  size_t HitsOfKey(std::string_view key) const EXCLUDES(mutex_);
  // Until there were so many in all. False when there were not.
  bool Hit(size_t count) const;
  size_t connections() const EXCLUDES(mutex_);  // ever accepted
  // Of those, how many it has ended in good order: the other side can see it by then.
  size_t ended() const EXCLUDES(mutex_);

 private:
  struct Connection {
    int fd = -1;
    std::string in;
  };

  void Accept();
  void Serve(Connection* connection);
  bool ServeOne(Connection* connection);  // false: the connection has ended
  bool ReadMore(Connection* connection);
  bool ReadHead(Connection* connection, Seen* seen);
  bool ReadBody(Connection* connection, Seen* seen);
  bool ReadChunks(Connection* connection, Seen* seen);
  bool Take(Connection* connection, uint64_t count, Seen* seen);
  bool Play(Connection* connection, const Script& script);
  Script Begin(const Seen& seen, size_t* at) EXCLUDES(mutex_);
  static bool Send(const Connection& connection, std::string_view bytes);
  void End(Connection* connection, bool reset) EXCLUDES(mutex_);

  int listener_ = -1;
  uint16_t port_ = 0;
  mutable Mutex mutex_;
  bool ending_ GUARDED_BY(mutex_) = false;
  size_t ended_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, Script, std::less<>> always_ GUARDED_BY(mutex_);
  std::map<std::string, std::list<Script>, std::less<>> next_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Latch>> latches_ GUARDED_BY(mutex_);
  std::vector<Seen> seen_ GUARDED_BY(mutex_);
  std::list<Connection> connections_ GUARDED_BY(mutex_);  // and the end of each one's `fd`
  std::vector<std::thread> threads_;                      // the acceptor's, until it has ended
  std::thread acceptor_;
};

}  // namespace onced
