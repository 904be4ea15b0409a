// SPDX-License-Identifier: MIT
#include "server/gateway/shares.h"

#include <curl/curl.h>

#include <algorithm>

#include "engine/check.h"
#include "server/gateway/transfer.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kCallsOfAShare = 16;
// Every share reads the file of authorities for itself, and keeps it: over TLS few, large ones.
constexpr size_t kTlsCallsOfAShare = 128;
constexpr milliseconds kIdleMax{5'000};

// What it says about its options and handles can only be wrong by our own fault, or without memory.
void Must(CURLMcode code) { ONCED_CHECK(code == CURLM_OK); }

void Act(Share& share, curl_socket_t socket, int events) {
  int running = 0;
  Must(curl_multi_socket_action(share.multi, socket, events, &running));
  share.stirred = true;
}

}  // namespace

struct Shares::Callbacks {
  static int OnSocket(CURL* easy, curl_socket_t socket, int what, void* self, void*) {
    auto* const share = static_cast<Share*>(self);
    Shares& shares = *share->owner;
    const auto index = static_cast<size_t>(socket);
    if (index >= shares.share_of_.size()) shares.share_of_.resize(index + 64);
    shares.share_of_[index] = share;
    // It lets go of a paused transfer's socket as of a kept connection's.
    Transfer* const transfer = Transfer::Of(easy);
    const bool paused = transfer != nullptr && transfer->receiving_paused();
    if (what == CURL_POLL_REMOVE && !paused) {
      shares.sockets_->Rest(socket);
      return 0;
    }
    if (transfer != nullptr) transfer->SocketIsTold();
    const bool in = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
    const bool out = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
    shares.sockets_->Want(socket, in, out);
    return 0;
  }

  static int OnTimer(CURLM*, long timeout_ms, void* self) {
    std::optional<TimePoint>& due = static_cast<Share*>(self)->due;
    if (timeout_ms < 0) {
      due.reset();
    } else {
      due = steady_clock::now() + milliseconds(timeout_ms);
    }
    return 0;
  }
};

Shares::~Shares() {
  for (const std::unique_ptr<Share>& share : shares_) curl_multi_cleanup(share->multi);
}

Share& Shares::Enter(bool is_tls) {
  const size_t calls = is_tls ? kTlsCallsOfAShare : kCallsOfAShare;
  for (const std::unique_ptr<Share>& share : shares_) {
    if (share->is_tls != is_tls || share->in_place >= calls) continue;
    ++share->in_place;
    return *share;
  }
  CURLM* const multi = curl_multi_init();
  ONCED_CHECK(multi != nullptr);
  shares_.push_back(std::unique_ptr<Share>(
      new Share{.owner = this, .multi = multi, .is_tls = is_tls, .in_place = 1}));
  Share& share = *shares_.back();
  const long connections = static_cast<long>(std::min(connections_max_, calls));
  Must(curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Callbacks::OnSocket));
  Must(curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &share));
  Must(curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Callbacks::OnTimer));
  Must(curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &share));
  Must(curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING)));
  // So many are kept; unsaid it is four for each call of the moment, and they would be dropped.
  Must(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections));
  Must(curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections));
  return share;
}

void Shares::Leave(Share& share) {
  if (--share.in_place == 0) share.empty_since = steady_clock::now();
}

void Shares::Stirred(int socket, bool in, bool out, bool error) {
  Act(*share_of_[static_cast<size_t>(socket)], socket,
      (in ? CURL_CSELECT_IN : 0) | (out ? CURL_CSELECT_OUT : 0) | (error ? CURL_CSELECT_ERR : 0));
}

void Shares::TimeHasCome(Share& share) {
  share.due.reset();
  Act(share, CURL_SOCKET_TIMEOUT, 0);
}

Shares::TimePoint Shares::Next(TimePoint no_later) const {
  TimePoint next = no_later;
  for (const std::unique_ptr<Share>& share : shares_) {
    if (share->due.has_value()) next = std::min(next, *share->due);
    if (share->in_place == 0) next = std::min(next, share->empty_since + kIdleMax);
  }
  return next;
}

void Shares::CloseIdle(TimePoint now) {
  if (now >= next_look_) {
    next_look_ = now + kIdleMax / 4;
    sockets_->SpoilIdle(kIdleMax);  // of shares that have other calls
  }
  std::erase_if(shares_, [now](const std::unique_ptr<Share>& share) {
    if (share->in_place != 0 || now - share->empty_since < kIdleMax) return false;
    Must(curl_multi_cleanup(share->multi));
    return true;
  });
}

}  // namespace onced
