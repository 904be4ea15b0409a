// SPDX-License-Identifier: MIT
#include "server/wire/exchange.h"

#include <string_view>

#include "server/wire/field_syntax.h"

namespace onced::wire {

// In one pass: it is done for every request.
void Exchange::ReadNames() {
  std::string_view id;
  std::string_view traceparent;
  size_t ids = 0;
  size_t traceparents = 0;
  for (const auto& [name, value] : request_.headers) {
    if (name.size() == sizeof kRequestIdHeader - 1 && SameName(name, kRequestIdHeader)) {
      id = value;
      ++ids;
    } else if (name.size() == sizeof kTraceParentHeader - 1 && SameName(name, kTraceParentHeader)) {
      traceparent = value;
      ++traceparents;
    }
  }
  request_id_ = ids == 1 ? RequestId::Of(id) : RequestId::New();
  if (traceparents > 0) trace_ = TraceContext::Of(traceparent, traceparents);
}

Tag Exchange::TakeTag(int status) {
  return {.status = status,
          .mark = mark_,
          .waited = waited_,
          .begun = begun_,
          .method = KnownMethod(request_.method),
          .route = route_,
          .upstream = upstream_,
          .key = std::move(key_),
          .bytes_in = body_pipe_ == nullptr
                          ? request_.body.size()
                          : static_cast<uint64_t>(std::max<int64_t>(request_.body_length, 0)),
          .bytes_out = 0,
          .request_id = request_id_,
          .trace = trace_,
          .peer = peer_,
          .names = names_};
}

}  // namespace onced::wire
