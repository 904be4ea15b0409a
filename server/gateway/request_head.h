// SPDX-License-Identifier: MIT
// RequestHead: what is sent before the body, checked and written down in the form that libcurl
// takes it in. Made on the caller's thread: the upstreams' one has enough to do.
//
// Threads: a value.
// Invariants: 1. No line of it can end early, or be taken for two. 2. Framing and Host are not in
// the hands of who gives the headers.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "engine/status.h"
#include "server/gateway/call.h"

struct curl_slist;

namespace onced {

class RequestHead {
 public:
  // InvalidArgument when the method, the target or a header cannot be sent as it is.
  static Result<RequestHead> Make(const UpstreamRequest& request);
  RequestHead();
  ~RequestHead();
  RequestHead(RequestHead&&) noexcept;
  RequestHead& operator=(RequestHead&&) noexcept;

  // Good as long as this is.
  curl_slist* lines() const { return list_.get(); }

 private:
  void Add(std::string_view name, std::string_view value);

  std::unique_ptr<char[]> bytes_;
  std::unique_ptr<curl_slist[]> list_;
  size_t used_ = 0;
  size_t count_ = 0;
};

}  // namespace onced
