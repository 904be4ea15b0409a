// SPDX-License-Identifier: MIT
// Inbox: what other threads have for the upstreams' thread. It outlives it in the hands of who may
// still come late: a pipe whose writer goes on.
//
// Threads: Put from any; the rest from the thread it belongs to.
// Invariants: the descriptor is readable while anything may be in here that was not taken.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/mutex.h"
#include "server/gateway/call.h"
#include "server/gateway/request_head.h"

namespace onced {

// A call that was not given to libcurl yet.
struct NewCall {
  UpstreamRequest request;
  Result<RequestHead> head;
  std::shared_ptr<CallEvents> events;
  std::chrono::steady_clock::time_point deadline;
};

struct Letter {
  enum class What { kCall, kResume, kBodyReadable, kCancel, kTask, kStop };
  What what = What::kStop;
  uint64_t call = 0;
  std::unique_ptr<NewCall> new_call;
  std::function<void()> task;
  std::chrono::steady_clock::time_point not_before;
};

class Inbox {
 public:
  Inbox();
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  void Put(Letter letter) EXCLUDES(mutex_);
  int descriptor() const { return event_; }
  std::vector<Letter> TakeAll() EXCLUDES(mutex_);

 private:
  const int event_;
  Mutex mutex_;
  std::vector<Letter> letters_ GUARDED_BY(mutex_);
};

}  // namespace onced
