// SPDX-License-Identifier: MIT
// One thread: it takes what others want (Inbox), gives libcurl as many calls as there may be
// connections, and tells it which of its sockets stirred and when its time has come.
//
// libcurl looks for a kept connection among all that it has to an origin, one after the other: with
// 5,000 slow calls under way a quick one cost 370 us instead of 25. So the calls are spread over
// several multi handles (Share), each of which has few; one more is only used when the others are
// full, so that where little happens connections are kept in one place.
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
#include "server/gateway/inbox.h"
#include "server/gateway/socket_watch.h"
#include "server/gateway/transfer.h"

namespace onced {
namespace {

using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;
using std::chrono::milliseconds;

constexpr size_t kCallsOfAShare = 16;
// Every share reads the file of authorities for itself, and keeps it: over TLS few, large ones.
constexpr size_t kTlsCallsOfAShare = 128;
constexpr size_t kIdleHandlesMax = 256;  // of an origin: about 6 KB each
constexpr milliseconds kShareIdleMax{5'000};

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
  struct Share {
    Impl* const owner;
    CURLM* const multi;
    const bool is_tls;
    std::optional<TimePoint> due;  // libcurl's timer
    size_t in_place = 0;
    TimePoint empty_since;
    bool stirred = false;  // libcurl may have ended calls of it
  };
  struct Waiting {
    std::unique_ptr<NewCall> call;       // until it has a place
    std::unique_ptr<Transfer> transfer;  // and from then on,
    Share* share = nullptr;              // of this one
    std::multimap<TimePoint, CallId>::iterator due;
  };
  struct Idle {
    std::shared_ptr<const Origin> origin;
    std::vector<std::unique_ptr<Transfer>> transfers;
  };

  void Run();
  void TakeInbox();
  void Take(Letter letter);
  void Admit();
  void Begin(CallId id, Waiting& waiting);
  static void Act(Share& share, curl_socket_t socket, int events);
  void Collect(Share& share);
  Share& FreeShare(bool is_tls);
  void Leave(Share& share);
  void CloseIdleShares(TimePoint now);
  void EndOverdue(TimePoint now);
  void RunTasks(TimePoint now);
  int TimeoutMs(TimePoint now) const;
  void EndEarly(CallId id, const char* why);
  void EndUnsent(const NewCall& call, std::string why);
  void EndAll();

  std::unique_ptr<Transfer> TransferFor(const std::shared_ptr<const Origin>& origin);
  void Keep(std::unique_ptr<Transfer> transfer);

  static int OnSocket(CURL*, curl_socket_t socket, int what, void* self, void*);
  static int OnTimer(CURLM*, long timeout_ms, void* self);

  const size_t connections_max_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::atomic<CallId> last_id_{0};
  std::atomic<size_t> under_way_{0};

  // The rest belongs to the thread.
  SocketWatch sockets_;  // libcurl closes sockets to the very end
  std::vector<std::unique_ptr<Share>> shares_;
  std::vector<Share*> share_of_;  // by the number of a socket
  std::unordered_map<CallId, Waiting> calls_;
  std::multimap<TimePoint, CallId> due_;
  std::deque<CallId> queue_;  // for a place; who has ended meanwhile is not in calls_ any more
  size_t in_place_ = 0;
  std::unordered_map<const Origin*, Idle> idle_;
  std::multimap<TimePoint, std::function<void()>> tasks_;
  bool letters_here_ = true;  // perhaps
  bool stopping_ = false;
  TimePoint next_look_;  // for idle connections

  std::thread thread_;
};

Upstreams::Impl::Impl(size_t connections_max)
    : connections_max_(std::max<size_t>(connections_max, 1)) {
  sockets_.Want(inbox_->descriptor(), /*in=*/true, /*out=*/false);
  thread_ = std::thread([this] { Run(); });
}

Upstreams::Impl::~Impl() {
  Put({.what = Letter::What::kStop});
  thread_.join();
  idle_.clear();
  for (const std::unique_ptr<Share>& share : shares_) curl_multi_cleanup(share->multi);
}

Upstreams::Impl::Share& Upstreams::Impl::FreeShare(bool is_tls) {
  const size_t calls = is_tls ? kTlsCallsOfAShare : kCallsOfAShare;
  for (const std::unique_ptr<Share>& share : shares_) {
    if (share->is_tls == is_tls && share->in_place < calls) return *share;
  }
  CURLM* const multi = curl_multi_init();
  ONCED_CHECK(multi != nullptr);
  shares_.push_back(std::unique_ptr<Share>(
      new Share{.owner = this, .multi = multi, .is_tls = is_tls, .due = {}}));
  Share& share = *shares_.back();
  const long connections = static_cast<long>(std::min(connections_max_, calls));
  Must(curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::OnSocket));
  Must(curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &share));
  Must(curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::OnTimer));
  Must(curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &share));
  Must(curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING)));
  // So many are kept; unsaid it is four for each call of the moment, and they would be dropped.
  Must(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections));
  Must(curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections));
  return share;
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
      Act(*share_of_[static_cast<size_t>(socket)], socket,
          (in ? CURL_CSELECT_IN : 0) | (out ? CURL_CSELECT_OUT : 0) |
              (error ? CURL_CSELECT_ERR : 0));
    });
    Admit();
    const TimePoint now = SteadyClock::now();
    for (const std::unique_ptr<Share>& share : shares_) {
      if (share->due.has_value() && *share->due <= now) Act(*share, CURL_SOCKET_TIMEOUT, 0);
      if (std::exchange(share->stirred, false)) Collect(*share);
    }
    EndOverdue(now);
    RunTasks(now);
    CloseIdleShares(now);
  }
  EndAll();
}

void Upstreams::Impl::Leave(Share& share) {
  --in_place_;
  if (--share.in_place == 0) share.empty_since = SteadyClock::now();
}

// libcurl looks at a kept connection only when it makes another call. After a burst nobody would
// make one there, and the upstream would hold thousands open for nothing.
void Upstreams::Impl::CloseIdleShares(TimePoint now) {
  if (now >= next_look_) {
    next_look_ = now + kShareIdleMax / 4;
    sockets_.SpoilIdle(kShareIdleMax);  // of shares that have other calls
  }
  std::erase_if(shares_, [now](const std::unique_ptr<Share>& share) {
    if (share->in_place != 0 || now - share->empty_since < kShareIdleMax) return false;
    Must(curl_multi_cleanup(share->multi));
    return true;
  });
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
  waiting.transfer = TransferFor(call->request.origin);
  waiting.share = &FreeShare(waiting.transfer->is_tls());
  ++waiting.share->in_place;
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

void Upstreams::Impl::Act(Share& share, curl_socket_t socket, int events) {
  if (socket == CURL_SOCKET_TIMEOUT) share.due.reset();
  int running = 0;
  Must(curl_multi_socket_action(share.multi, socket, events, &running));
  share.stirred = true;
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
    Keep(std::move(transfer));
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
  TimePoint next = now + kLongest;
  for (const std::unique_ptr<Share>& share : shares_) {
    if (share->due.has_value()) next = std::min(next, *share->due);
    if (share->in_place == 0) next = std::min(next, share->empty_since + kShareIdleMax);
  }
  if (!due_.empty()) next = std::min(next, due_.begin()->first);
  if (!tasks_.empty()) next = std::min(next, tasks_.begin()->first);
  return static_cast<int>(
      std::max(std::chrono::ceil<milliseconds>(next - now), milliseconds(0)).count());
}

std::unique_ptr<Transfer> Upstreams::Impl::TransferFor(
    const std::shared_ptr<const Origin>& origin) {
  auto found = idle_.find(origin.get());
  if (found == idle_.end()) {
    // A new one: the configuration may have been read anew, and nobody uses the old ones again.
    std::erase_if(idle_, [](const auto& idle) {
      return idle.second.origin.use_count() == static_cast<long>(idle.second.transfers.size()) + 1;
    });
    found = idle_.emplace(origin.get(), Idle{.origin = origin, .transfers = {}}).first;
  }
  std::vector<std::unique_ptr<Transfer>>& idle = found->second.transfers;
  if (idle.empty()) return std::make_unique<Transfer>(origin, &sockets_);
  std::unique_ptr<Transfer> transfer = std::move(idle.back());
  idle.pop_back();
  return transfer;
}

void Upstreams::Impl::Keep(std::unique_ptr<Transfer> transfer) {
  const auto found = idle_.find(transfer->origin().get());
  if (found == idle_.end() || found->second.transfers.size() >= kIdleHandlesMax) return;
  found->second.transfers.push_back(std::move(transfer));
}

int Upstreams::Impl::OnSocket(CURL* easy, curl_socket_t socket, int what, void* self, void*) {
  auto* const share = static_cast<Share*>(self);
  Impl& impl = *share->owner;
  const auto index = static_cast<size_t>(socket);
  if (index >= impl.share_of_.size()) impl.share_of_.resize(index + 64);
  impl.share_of_[index] = share;
  // It lets go of a paused transfer's socket as of a kept connection's.
  Transfer* const transfer = Transfer::Of(easy);
  const bool paused = transfer != nullptr && transfer->receiving_paused();
  if (what == CURL_POLL_REMOVE && !paused) {
    impl.sockets_.Rest(socket);
    return 0;
  }
  if (transfer != nullptr) transfer->SocketIsTold();
  const bool in = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
  const bool out = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
  impl.sockets_.Want(socket, in, out);
  return 0;
}

int Upstreams::Impl::OnTimer(CURLM*, long timeout_ms, void* self) {
  std::optional<TimePoint>& due = static_cast<Share*>(self)->due;
  if (timeout_ms < 0) {
    due.reset();
  } else {
    due = SteadyClock::now() + milliseconds(timeout_ms);
  }
  return 0;
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
