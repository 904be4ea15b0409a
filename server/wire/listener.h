// SPDX-License-Identifier: MIT
// Listener: an HTTP/1.1 port. It accepts, reads whole requests under deadlines and limits, has a
// handler answer them, and writes the answers in order when the commit gate lets them go. Bodies,
// of requests and of answers, may also be passed on while they come, a few at a time.
//
// One I/O thread a core, each with its own event loop; a connection lives on one of them for good,
// so nothing of it is locked. One more accepts, and serves connections that begin with a probe. A
// handler runs on that thread and must not block; what must block is named by `blocks`, or says so
// itself (Exchange::GoToPool), and runs on a small pool. Waiting (for the gate, or parked) holds no
// thread.
//
// Threads: Start, Stop and the destructor from one; the rest inside.
// Invariants: 1. Answers of one connection leave in the order of its requests. 2. Everything that
// is read has a limit and a deadline. 3. A port is never shared with another process.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/status.h"
#include "server/wire/outbox.h"
#include "server/wire/port.h"
#include "server/wire/request_host.h"
#include "server/wire/request_parser.h"
#include "server/wire/tls.h"

namespace onced::wire {

// Each from its beginning to its end: a byte now and then moves none of them.
struct Deadlines {
  std::chrono::milliseconds handshake{5'000};
  std::chrono::milliseconds head{10'000};
  std::chrono::milliseconds body{30'000};
  // A body must also come, after its grace, at this pace on the whole.
  std::chrono::milliseconds body_grace{5'000};
  uint64_t body_bytes_per_s = 1'024;
  std::chrono::milliseconds idle{60'000};
  // For all of what is written in one go, so a client that takes a byte now and then is ended too.
  std::chrono::milliseconds write{30'000};
};

struct ListenerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;                          // 0: any free one
  std::shared_ptr<const TlsCredentials> tls;  // none: plain
  RequestLimits limits;
  Deadlines deadlines;
  size_t connections_max = 10'000;
  size_t memory_max = size_t{256} << 20;  // bodies and answers of all connections together
  size_t io_threads = 0;                  // 0: one a core
  size_t pipe_room = 64 * 1024;           // for a body that is passed on; see Pipe

  Handler handler;
  // Whether the body of a request is worth waiting for, by its head. If not, the handler is asked
  // at once, without it, and the connection ends with its answer: strangers take no memory.
  std::function<bool(const Request& head, const Peer&)> wants_body;
  // Whether the body of a request is passed on while it comes, by its head. Its handler is asked at
  // once, and finds Exchange::body_pipe; no limit and no deadline ends the body but its pace, which
  // counts while the pipe has room. `wants_body` is not asked. May be absent.
  std::function<bool(const Request& head, const Peer&)> streams;
  // Whether this request may block: it is then run on the pool.
  std::function<bool(const Request&)> blocks;
  // The pool. When so many wait for one of its threads, or one has waited for longer than
  // `pool_patience`, its handler is asked with Exchange::Place::kNoRoom.
  size_t pool_threads = 2;
  size_t pool_line_max = SIZE_MAX;
  std::chrono::milliseconds pool_patience = std::chrono::hours(24);
  // Whether who asks for this path asks how the process is: that is told at the door, by the thread
  // that accepts, whatever else is held up or full. Its handler must not wait for anything.
  std::function<bool(std::string_view path)> is_probe = [](std::string_view path) {
    return path == "/livez";
  };
  // Told of each answer when it leaves: what it is counted as. Must be quick. May be absent.
  std::function<void(const Tag&)> leaves;
  // Whether an answer may leave at once: most may, and need no callback then. May be absent.
  std::function<bool(uint64_t sequence)> is_durable;
  // See CommitGate::WhenDurable.
  std::function<void(uint64_t sequence, std::function<void()> pass)> when_durable;
};

struct ListenerCounts {
  size_t connections = 0;
  size_t parked = 0;
  uint64_t requests = 0;
};

class Listener {
 public:
  // Takes the port and begins to serve. Fails as Port::Take does.
  static Result<std::unique_ptr<Listener>> Start(ListenerOptions options);
  // The same at a port that was taken before, whatever `options` says of it.
  static Result<std::unique_ptr<Listener>> Start(ListenerOptions options,
                                                 std::unique_ptr<Port> port);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const;
  ListenerCounts Counts() const;
  // Since the thread that tells that the process lives has last come round: a fourth of a second,
  // unless it hangs.
  std::chrono::milliseconds SinceRound() const;

  // Accepts no more, lets what runs finish for `patience` at most, closes, within a second more.
  // True when all of it finished.
  bool Stop(std::chrono::milliseconds patience);
  // After Stop: a handler still runs, on a disk that hangs perhaps for ever. The destructor would
  // wait for it.
  bool IsHeldUp() const;

 private:
  class Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace onced::wire
