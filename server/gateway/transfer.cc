// SPDX-License-Identifier: MIT
#include "server/gateway/transfer.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "engine/check.h"

namespace onced {
namespace {

// Node.js ends a connection that was idle for five seconds, and most others later than that.
// Older ones are not used again here; upstream.cc has them ended a little later.
constexpr long kIdleSecondsMax = 3;

template <typename T>
void Set(void* easy, CURLoption option, T value) {
  ONCED_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

}  // namespace

struct Transfer::Callbacks {
  static Transfer& Of(void* self) { return *static_cast<Transfer*>(self); }

  static int BeforeSending(void* self, char*, char*, int, int) {
    // A second time: the kept connection ended under us, and libcurl would send it all again.
    if (!std::exchange(Of(self).begun_, true)) return CURL_PREREQFUNC_OK;
    Of(self).why_ = "the connection was closed before an answer came; nothing is sent again";
    return CURL_PREREQFUNC_ABORT;
  }
  static size_t HeadLine(char* bytes, size_t one, size_t size, void* self) {
    return Of(self).TakeHeadLine({bytes, size}) ? size * one : 0;
  }
  static size_t Body(char* bytes, size_t one, size_t size, void* self) {
    return Of(self).TakeBody({bytes, size}) ? size * one : 0;
  }
  static size_t GiveBody(char* into, size_t one, size_t room, void* self) {
    return Of(self).GiveBody(into, one * room);
  }
  static curl_socket_t Open(void* self, curlsocktype, curl_sockaddr* address) {
    return Of(self).Open(address->family, address->socktype, address->protocol, &address->addr);
  }
  static int Close(void* sockets, curl_socket_t socket) {
    static_cast<SocketWatch*>(sockets)->Closing(socket);
    return close(socket);
  }
};

Transfer::Transfer(std::shared_ptr<const Origin> origin, SocketWatch* sockets)
    : origin_(std::move(origin)),
      is_tls_(origin_->url.starts_with("https://")),
      sockets_(sockets),
      easy_(curl_easy_init()) {
  ONCED_CHECK(easy_ != nullptr);
  SetOnce();
}

Transfer::~Transfer() { curl_easy_cleanup(easy_); }

void Transfer::SetOnce() {
  Set(easy_, CURLOPT_URL, origin_->url.c_str());
  if (!origin_->unix_socket.empty()) {
    Set(easy_, CURLOPT_UNIX_SOCKET_PATH, origin_->unix_socket.c_str());
  }
  if (!origin_->ca_file.empty()) {
    Set(easy_, CURLOPT_CAINFO, origin_->ca_file.c_str());
    Set(easy_, CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  Set(easy_, CURLOPT_SSL_VERIFYPEER, 1L);
  Set(easy_, CURLOPT_SSL_VERIFYHOST, 2L);
  Set(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));

  // Nothing that libcurl would do for convenience, or because the environment says so.
  Set(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  Set(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  Set(easy_, CURLOPT_PROXY, "");
  Set(easy_, CURLOPT_NOPROXY, "*");
  Set(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  Set(easy_, CURLOPT_HTTP09_ALLOWED, 0L);
  Set(easy_, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  Set(easy_, CURLOPT_PATH_AS_IS, 1L);
  Set(easy_, CURLOPT_TCP_NODELAY, 1L);
  Set(easy_, CURLOPT_NOSIGNAL, 1L);
  Set(easy_, CURLOPT_QUICK_EXIT, 1L);  // or ending a call waits for its resolver's thread
  Set(easy_, CURLOPT_MAXAGE_CONN, kIdleSecondsMax);
  Set(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(origin_->connect_timeout.count()));

  Set(easy_, CURLOPT_PRIVATE, this);
  Set(easy_, CURLOPT_ERRORBUFFER, error_text_.data());
  static_assert(sizeof(error_text_) >= CURL_ERROR_SIZE);
  Set(easy_, CURLOPT_PREREQFUNCTION, &Callbacks::BeforeSending);
  Set(easy_, CURLOPT_PREREQDATA, this);
  Set(easy_, CURLOPT_HEADERFUNCTION, &Callbacks::HeadLine);
  Set(easy_, CURLOPT_HEADERDATA, this);
  Set(easy_, CURLOPT_WRITEFUNCTION, &Callbacks::Body);
  Set(easy_, CURLOPT_WRITEDATA, this);
  Set(easy_, CURLOPT_READFUNCTION, &Callbacks::GiveBody);
  Set(easy_, CURLOPT_READDATA, this);
  Set(easy_, CURLOPT_OPENSOCKETFUNCTION, &Callbacks::Open);
  Set(easy_, CURLOPT_OPENSOCKETDATA, this);
  Set(easy_, CURLOPT_CLOSESOCKETFUNCTION, &Callbacks::Close);
  Set(easy_, CURLOPT_CLOSESOCKETDATA, sockets_);
}

Transfer* Transfer::Of(void* easy) {
  void* of = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &of);
  return static_cast<Transfer*>(of);
}

void Transfer::Begin(uint64_t id, UpstreamRequest request, RequestHead head,
                     std::shared_ptr<CallEvents> events) {
  id_ = id;
  request_ = std::move(request);
  request_head_ = std::move(head);
  events_ = std::move(events);
  head_.Reset(request_.method == "HEAD");
  body_given_ = 0;
  received_ = 0;
  begun_ = false;
  receiving_paused_ = false;
  sending_paused_ = false;
  socket_is_told_ = false;
  why_ = "";
  error_text_[0] = '\0';
  Set(easy_, CURLOPT_REQUEST_TARGET, request_.target.c_str());
  Set(easy_, CURLOPT_HTTPHEADER, request_head_.lines());
  SetBody();
  if (method_ != request_.method) {
    method_ = request_.method;
    Set(easy_, CURLOPT_CUSTOMREQUEST, method_.c_str());
  }
}

// What libcurl takes for the method decides how it frames the body; the word that is sent is always
// the custom one.
void Transfer::SetBody() {
  const std::string& method = request_.method;
  Set(easy_, CURLOPT_HTTPGET, 1L);  // forgets what the last call had
  if (method == "HEAD") {
    Set(easy_, CURLOPT_NOBODY, 1L);
  } else if (request_.body_pipe != nullptr) {
    Set(easy_, CURLOPT_UPLOAD, 1L);
    Set(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body_length));
  } else if (!request_.body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    Set(easy_, CURLOPT_POST, 1L);
    Set(easy_, CURLOPT_POSTFIELDS, request_.body.data());
    Set(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
  }
}

int Transfer::Open(int family, int type, int protocol, const void* address) {
  if (!origin_->allow_link_local && IsLinkLocal(static_cast<const sockaddr*>(address))) {
    why_ = "the address is link-local, and the upstream does not allow that";
    return CURL_SOCKET_BAD;
  }
  const int opened = socket(family, type | SOCK_CLOEXEC, protocol);
  if (opened < 0) return CURL_SOCKET_BAD;
  sockets_->Opened(opened);
  return opened;
}

bool Transfer::TakeHeadLine(std::string_view line) {
  if (head_.done()) return true;  // a trailer
  switch (head_.Take(line)) {
    case AnswerHead::Verdict::kMore:
      return true;
    case AnswerHead::Verdict::kDone:
      events_->OnHead(head_.status(), head_.TakeHeaders(), head_.length());
      // From 300 on libcurl sends no more of the body, but a pause of the sending still counts.
      if (head_.status() >= 300 && std::exchange(sending_paused_, false)) SetPaused();
      return true;
    case AnswerHead::Verdict::kBad:
      break;
  }
  why_ = head_.why();
  return false;
}

bool Transfer::TakeBody(std::string_view bytes) {
  if (!head_.done()) {
    why_ = "the answer has no head";
    return false;
  }
  received_ += static_cast<int64_t>(bytes.size());
  // Not in the turn in which a kept connection came into use: libcurl would never tell of its
  // socket, which would seem to rest. Then it is paused with the next piece.
  if (events_->OnBody(bytes) || !socket_is_told_) return true;
  // From in here, so that libcurl keeps what it has read already until we go on.
  receiving_paused_ = true;
  SetPaused();
  return true;
}

size_t Transfer::GiveBody(char* into, size_t room) {
  const wire::Pipe::Taken taken = request_.body_pipe->TakeSome(room);
  std::copy(taken.bytes.begin(), taken.bytes.end(), into);
  body_given_ += static_cast<int64_t>(taken.bytes.size());
  const bool over = taken.bytes.empty() && taken.ended;
  if (!taken.bytes.empty() && request_.body_length >= 0 && body_given_ > request_.body_length) {
    why_ = "the body of the request is longer than it was said to be";
    return CURL_READFUNC_ABORT;
  }
  if (over && (taken.broken || body_given_ < request_.body_length)) {
    why_ = "the body of the request broke off";
    return CURL_READFUNC_ABORT;
  }
  if (!taken.bytes.empty() || over) return taken.bytes.size();
  sending_paused_ = true;
  return CURL_READFUNC_PAUSE;
}

void Transfer::SetPaused() {
  const int directions =
      (receiving_paused_ ? CURLPAUSE_RECV : 0) | (sending_paused_ ? CURLPAUSE_SEND : 0);
  // What it says of the transfer, the multi handle will say too.
  (void)curl_easy_pause(easy_, directions);
}

void Transfer::Resume() {
  if (std::exchange(receiving_paused_, false)) SetPaused();
}

void Transfer::BodyReadable() {
  if (std::exchange(sending_paused_, false)) SetPaused();
}

void Transfer::Done(int code) {
  if (code == CURLE_OK && head_.done() && head_.ends_with_connection() && is_tls_) {
    // To libcurl 7.88 a bare end of the connection is as good as TLS's own word that it is one.
    code = CURLE_RECV_ERROR;
    why_ =
        "the answer tells its end by nothing but the end of the connection, which anybody can cut";
  }
  if (AnswerIsWhole() || (code == CURLE_OK && head_.done() && head_.length() < 0)) {
    End(CallEnd::kWhole, "");
    return;
  }
  std::string why = why_;
  if (why.empty()) why = error_text_.data();
  if (why.empty()) why = curl_easy_strerror(static_cast<CURLcode>(code));
  End(NothingWasSent() ? CallEnd::kNotSent : CallEnd::kUnknown, std::move(why));
}

void Transfer::Abandoned(std::string why) {
  if (AnswerIsWhole()) {
    End(CallEnd::kWhole, "");
  } else {
    End(NothingWasSent() ? CallEnd::kNotSent : CallEnd::kUnknown, std::move(why));
  }
}

bool Transfer::AnswerIsWhole() const {
  return head_.done() && (head_.bodyless() || received_ == head_.length());
}

bool Transfer::NothingWasSent() const {
  if (!begun_) return true;
  // The kernel took no byte of it. Of TLS that cannot be told: a record may be under way.
  long sent = -1;
  const CURLcode told = curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &sent);
  return told == CURLE_OK && sent == 0 && !is_tls_;
}

void Transfer::End(CallEnd end, std::string why) {
  if (request_.body_pipe != nullptr) request_.body_pipe->Abandon();
  const std::shared_ptr<CallEvents> events = std::move(events_);
  request_ = {};
  events->OnEnd(end, std::move(why));
}

}  // namespace onced
