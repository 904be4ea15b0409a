// SPDX-License-Identifier: MIT
// Transfer: one call on one of libcurl's easy handles. The handle is made for one origin and used
// again for its next call; only what differs is set again.
//
// Threads: one, that of the multi handle.
// Invariants: 1. Nothing is sent a second time: libcurl asks before it sends, and the second time
// it is refused. 2. What the handle points to (head, body) is held until End. 3. Between Begin and
// End the handle is in the multi handle.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/gateway/answer_head.h"
#include "server/gateway/call.h"
#include "server/gateway/request_head.h"
#include "server/gateway/socket_watch.h"

namespace onced {

class Transfer {
 public:
  Transfer(std::shared_ptr<const Origin> origin, SocketWatch* sockets);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  const std::shared_ptr<const Origin>& origin() const { return origin_; }
  void* easy() const { return easy_; }  // a CURL*
  // Whose handle it is; nullptr for one of libcurl's own.
  static Transfer* Of(void* easy);
  bool is_tls() const { return is_tls_; }
  bool receiving_paused() const { return receiving_paused_; }
  // libcurl wants something of its socket.
  void SocketIsTold() { socket_is_told_ = true; }
  uint64_t id() const { return id_; }

  // Makes the handle ready to be added. REQUIRES: it is not in the multi handle.
  void Begin(uint64_t id, UpstreamRequest request, RequestHead head,
             std::shared_ptr<CallEvents> events);
  // The reader of the answer has room again.
  void Resume();
  // There is more of the request's body.
  void BodyReadable();
  // libcurl is done with it, with this CURLcode. Tells how it ended.
  void Done(int code);
  // It was taken out before that, because of `why`. Tells how it ended.
  void Abandoned(std::string why);

 private:
  struct Callbacks;  // libcurl's, which come in through here
  friend struct Callbacks;

  void SetOnce();
  void SetBody();
  bool TakeHeadLine(std::string_view line);
  bool TakeBody(std::string_view bytes);
  size_t GiveBody(char* into, size_t room);
  int Open(int family, int type, int protocol, const void* address);
  void SetPaused();
  // All of the answer has come, whatever else went wrong.
  bool AnswerIsWhole() const;
  bool NothingWasSent() const;
  void End(CallEnd end, std::string why);

  const std::shared_ptr<const Origin> origin_;
  const bool is_tls_;
  SocketWatch* const sockets_;
  void* const easy_;
  std::array<char, 256> error_text_{};
  std::string method_;  // as the handle has it

  uint64_t id_ = 0;
  UpstreamRequest request_;
  RequestHead request_head_;
  std::shared_ptr<CallEvents> events_;
  AnswerHead head_;
  int64_t body_given_ = 0;
  int64_t received_ = 0;
  bool begun_ = false;  // sending: from here on a byte may have left
  bool receiving_paused_ = false;
  bool sending_paused_ = false;
  bool socket_is_told_ = false;
  const char* why_ = "";  // we ended it ourselves
};

}  // namespace onced
