// SPDX-License-Identifier: MIT
// What the tests of streamed bodies pass bytes on with: a thread that moves them from pipe to pipe,
// as a gateway's would, and a listener whose every body is streamed.
//
// Threads: a Mover's calls from any; what is posted to it runs on its own thread.
// Invariants: a Relay never keeps more than the two pipes do.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "engine/mutex.h"
#include "server/wire/pipe.h"
#include "tests/listening.h"

namespace onced {

class Mover {
 public:
  Mover() : thread_([this] { Run(); }) {}
  ~Mover();
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  void Post(std::function<void()> task) EXCLUDES(mutex_);

 private:
  void Run() EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  bool ends_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Moves all of one pipe into another. Lives as long as either is used.
class Relay : public std::enable_shared_from_this<Relay> {
 public:
  // `piece`: the most that it moves at a time.
  Relay(Mover* mover, std::shared_ptr<wire::Pipe> from, std::shared_ptr<wire::Pipe> to,
        size_t piece = 16 * 1024)
      : mover_(mover), from_(std::move(from)), to_(std::move(to)), piece_(piece) {}
  void Start();

  std::atomic<size_t> most{0};  // that was in both at a time

 private:
  void Move();

  Mover* const mover_;
  const std::shared_ptr<wire::Pipe> from_;
  const std::shared_ptr<wire::Pipe> to_;
  const size_t piece_;
  bool room_ = true;
};

std::shared_ptr<wire::Pipe> NewPipe();

// Every body is streamed.
wire::ListenerOptions StreamingOptions(ServeFunction serve);

// How a body is given back.
struct EchoTerms {
  size_t room = 64 * 1024;   // of the answer's pipe
  size_t piece = 16 * 1024;  // see Relay
  bool tells_length = true;  // when the request has told one
};

// A handler that gives back the body while it comes.
ServeFunction EchoStream(Mover* mover, std::shared_ptr<Relay>* relay = nullptr,
                         EchoTerms terms = {});

std::string Chunk(const std::string& bytes);
// A request whose body is still to be sent; `length` -1: in chunks.
std::string HeadFor(const std::string& target, int64_t length);

}  // namespace onced
