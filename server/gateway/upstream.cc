// SPDX-License-Identifier: MIT
// One thread: it takes what others want (Inbox), gives libcurl as many calls as there may be
// connections, and tells it which of its sockets stirred and when its time has come (Shares).
#include "server/gateway/upstream.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/check.h"
#include "server/gateway/idle_transfers.h"
#include "server/gateway/inbox.h"
#include "server/gateway/shares.h"
#include "server/gateway/socket_watch.h"
#include "server/gateway/transfer.h"

namespace onced {
namespace {

using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;
using std::chrono::milliseconds;

// What it says about its options and handles can only be wrong by our own fault, or without memory.
void Must(CURLMcode code) { ONCED_CHECK(code == CURLM_OK); }

// A deadline of years is for ever, and must not wrap around.
TimePoint After(milliseconds time) {
  constexpr milliseconds kDay = std::chrono::hours(24);
  return SteadyClock::now() + std::clamp(time, milliseconds(0), 365 * kDay);
}

// Whose loop runs on this thread.
thread_local const void* loop_here = nullptr;

}  // namespace

class Upstreams::Impl {
 public:
  explicit Impl(size_t connections_max);
  ~Impl();

  CallId Call(UpstreamRequest request, std::shared_ptr<CallEvents> events);
  void Put(Letter letter) { inbox_->Put(std::move(letter)); }
  void PutTask(Letter letter);
  size_t under_way() const { return under_way_.load(std::memory_order_relaxed); }

 private:
  struct Waiting {
    std::unique_ptr<NewCall> call;       // until it has a place
    std::unique_ptr<Transfer> transfer;  // and from then on,
    Share* share = nullptr;              // of this one
    std::multimap<TimePoint, CallId>::iterator due;
  };
  void Run();
  void TakeInbox();
  void Take(Letter letter);
  void Admit();
  void Begin(CallId id, Waiting& waiting);
  void Collect(Share& share);
  void Leave(Share& share);
  void EndOverdue(TimePoint now);
  void RunTasks(TimePoint now);
  int TimeoutMs(TimePoint now) const;
  void EndEarly(CallId id, const char* why);
  void EndUnsent(const NewCall& call, std::string why);
  void EndAll();

  const size_t connections_max_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::atomic<CallId> last_id_{0};
  std::atomic<size_t> under_way_{0};

  // The rest belongs to the thread.
  SocketWatch sockets_;
  Shares shares_;
  IdleTransfers idle_;
  std::unordered_map<CallId, Waiting> calls_;
  std::multimap<TimePoint, CallId> due_;
  std::deque<CallId> queue_;  // for a place; who has ended meanwhile is not in calls_ any more
  size_t in_place_ = 0;
  std::multimap<TimePoint, std::function<void()>> tasks_;
  bool letters_here_ = true;  // perhaps
  bool stopping_ = false;

  std::thread thread_;
};

Upstreams::Impl::Impl(size_t connections_max)
    : connections_max_(std::max<size_t>(connections_max, 1)),
      shares_(connections_max_, &sockets_),
      idle_(&sockets_) {
  sockets_.Want(inbox_->descriptor(), /*in=*/true, /*out=*/false);
  thread_ = std::thread([this] { Run(); });
}

Upstreams::Impl::~Impl() {
  Put({.what = Letter::What::kStop});
  thread_.join();
}

Upstreams::CallId Upstreams::Impl::Call(UpstreamRequest request,
                                        std::shared_ptr<CallEvents> events) {
  const CallId id = last_id_.fetch_add(1, std::memory_order_relaxed) + 1;
  under_way_.fetch_add(1, std::memory_order_relaxed);
  Result<RequestHead> head = RequestHead::Make(request);
  const TimePoint deadline = After(request.deadline);
  Put({.what = Letter::What::kCall,
       .call = id,
       .new_call = std::make_unique<NewCall>(NewCall{.request = std::move(request),
                                                     .head = std::move(head),
                                                     .events = std::move(events),
                                                     .deadline = deadline})});
  return id;
}

void Upstreams::Impl::Run() {
  // Signals are for the main thread, and the end of a connection is told by its error.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  loop_here = this;
  for (;;) {
    if (std::exchange(letters_here_, false)) TakeInbox();
    if (stopping_) break;
    // The look at the sockets stands between the taking of a call and its beginning: what came on a
    // kept connection before the call was made is seen.
    sockets_.Wait(TimeoutMs(SteadyClock::now()), [this](int socket, bool in, bool out, bool error) {
      if (socket == inbox_->descriptor()) {
        letters_here_ = true;
        return;
      }
      shares_.Stirred(socket, in, out, error);
    });
    Admit();
    const TimePoint now = SteadyClock::now();
    for (const std::unique_ptr<Share>& share : shares_) {
      if (share->due.has_value() && *share->due <= now) Shares::TimeHasCome(*share);
      if (std::exchange(share->stirred, false)) Collect(*share);
    }
    EndOverdue(now);
    RunTasks(now);
    shares_.CloseIdle(now);
  }
  EndAll();
}

void Upstreams::Impl::Leave(Share& share) {
  --in_place_;
  Shares::Leave(share);
}

// From this thread it needs no waking.
void Upstreams::Impl::PutTask(Letter letter) {
  loop_here == this ? Take(std::move(letter)) : Put(std::move(letter));
}

void Upstreams::Impl::TakeInbox() {
  for (Letter& letter : inbox_->TakeAll()) Take(std::move(letter));
}

void Upstreams::Impl::Take(Letter letter) {
  switch (letter.what) {
    case Letter::What::kCall: {
      if (!letter.new_call->head.ok()) {
        EndUnsent(*letter.new_call, letter.new_call->head.status().message());
        return;
      }
      letter.new_call->events->OnTaken(letter.call);
      const auto due = due_.emplace(letter.new_call->deadline, letter.call);
      calls_.emplace(letter.call,
                     Waiting{.call = std::move(letter.new_call), .transfer = nullptr, .due = due});
      queue_.push_back(letter.call);
      return;
    }
    case Letter::What::kResume:
    case Letter::What::kBodyReadable: {
      const auto found = calls_.find(letter.call);
      if (found == calls_.end() || found->second.transfer == nullptr) return;
      Transfer& transfer = *found->second.transfer;
      letter.what == Letter::What::kResume ? transfer.Resume() : transfer.BodyReadable();
      return;
    }
    case Letter::What::kCancel:
      EndEarly(letter.call, "the call was given up");
      return;
    case Letter::What::kTask:
      tasks_.emplace(letter.not_before, std::move(letter.task));
      return;
    case Letter::What::kStop:
      stopping_ = true;
      return;
  }
}

void Upstreams::Impl::Admit() {
  for (; !queue_.empty() && in_place_ < connections_max_; queue_.pop_front()) {
    const auto found = calls_.find(queue_.front());
    if (found != calls_.end()) Begin(found->first, found->second);
  }
}

void Upstreams::Impl::Begin(CallId id, Waiting& waiting) {
  const std::unique_ptr<NewCall> call = std::move(waiting.call);
  waiting.transfer = idle_.Take(call->request.origin);
  waiting.share = &shares_.Enter(waiting.transfer->is_tls());
  ++in_place_;
  if (call->request.body_pipe != nullptr) {
    // The pipe may come late, when this call, or all of this, is gone.
    call->request.body_pipe->OnReadable([inbox = std::weak_ptr<Inbox>(inbox_), id] {
      if (const std::shared_ptr<Inbox> there = inbox.lock()) {
        there->Put({.what = Letter::What::kBodyReadable, .call = id});
      }
    });
  }
  waiting.transfer->Begin(id, std::move(call->request), std::move(*call->head),
                          std::move(call->events));
  Must(curl_multi_add_handle(waiting.share->multi, waiting.transfer->easy()));
}

void Upstreams::Impl::Collect(Share& share) {
  int left = 0;
  while (const CURLMsg* const message = curl_multi_info_read(share.multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;  // gone with the handle's leaving
    const auto found = calls_.find(Transfer::Of(message->easy_handle)->id());
    ONCED_CHECK(found != calls_.end());
    std::unique_ptr<Transfer> transfer = std::move(found->second.transfer);
    due_.erase(found->second.due);
    calls_.erase(found);
    Must(curl_multi_remove_handle(share.multi, transfer->easy()));
    Leave(share);
    under_way_.fetch_sub(1, std::memory_order_relaxed);
    transfer->Done(code);
    idle_.Keep(std::move(transfer));
  }
}

void Upstreams::Impl::EndOverdue(TimePoint now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    EndEarly(due_.begin()->second, "the deadline passed");
  }
}

void Upstreams::Impl::EndEarly(CallId id, const char* why) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  const Waiting waiting = std::move(found->second);
  due_.erase(waiting.due);
  calls_.erase(found);
  if (waiting.transfer == nullptr) {
    EndUnsent(*waiting.call, std::string(why) + " before there was a connection for it");
    return;
  }
  // The handle is not kept: it is in the middle of something.
  Must(curl_multi_remove_handle(waiting.share->multi, waiting.transfer->easy()));
  Leave(*waiting.share);
  under_way_.fetch_sub(1, std::memory_order_relaxed);
  waiting.transfer->Abandoned(why);
}

void Upstreams::Impl::EndUnsent(const NewCall& call, std::string why) {
  under_way_.fetch_sub(1, std::memory_order_relaxed);
  if (call.request.body_pipe != nullptr) call.request.body_pipe->Abandon();
  call.events->OnEnd(CallEnd::kNotSent, std::move(why));
}

// What comes in while calls end is ended as well.
void Upstreams::Impl::EndAll() {
  for (;;) {
    TakeInbox();
    tasks_.clear();
    if (calls_.empty()) return;
    while (!calls_.empty()) EndEarly(calls_.begin()->first, "the gateway stops");
  }
}

void Upstreams::Impl::RunTasks(TimePoint now) {
  while (!tasks_.empty() && tasks_.begin()->first <= now) {
    const std::function<void()> task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    task();
  }
}

int Upstreams::Impl::TimeoutMs(TimePoint now) const {
  constexpr milliseconds kLongest{60'000};
  if (!queue_.empty() && in_place_ < connections_max_) return 0;
  TimePoint next = shares_.Next(now + kLongest);
  if (!due_.empty()) next = std::min(next, due_.begin()->first);
  if (!tasks_.empty()) next = std::min(next, tasks_.begin()->first);
  return static_cast<int>(
      std::max(std::chrono::ceil<milliseconds>(next - now), milliseconds(0)).count());
}

Result<std::unique_ptr<Upstreams>> Upstreams::Start(size_t connections_max) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) {
    return Status::Unavailable(std::string("starting libcurl: ") + curl_easy_strerror(ready));
  }
  return std::unique_ptr<Upstreams>(new Upstreams(std::make_unique<Impl>(connections_max)));
}

Upstreams::Upstreams(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Upstreams::~Upstreams() = default;

Upstreams::CallId Upstreams::Call(UpstreamRequest request, std::shared_ptr<CallEvents> events) {
  return impl_->Call(std::move(request), std::move(events));
}

void Upstreams::Resume(CallId call) { impl_->Put({.what = Letter::What::kResume, .call = call}); }

void Upstreams::Cancel(CallId call) { impl_->Put({.what = Letter::What::kCancel, .call = call}); }

void Upstreams::Post(std::function<void()> task) { PostAfter(milliseconds(0), std::move(task)); }

void Upstreams::PostAfter(milliseconds after, std::function<void()> task) {
  impl_->PutTask(
      {.what = Letter::What::kTask, .task = std::move(task), .not_before = After(after)});
}

size_t Upstreams::under_way() const { return impl_->under_way(); }

}  // namespace onced
