// SPDX-License-Identifier: MIT
// ResponseHead: the status line and the headers of an answer, in bytes. Every answer of every HTTP
// port has its head from here: a handler's, and the connection's own refusals.
//
// Threads: pure functions.
// Invariants: 1. No header is there twice that is ours to write, and no length beside chunks. 2.
// What the caller's headers say is written in their order within a name; no byte of a value can
// begin another line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/wire/problem.h"
#include "server/wire/request_parser.h"

namespace httplib {
struct Response;
}  // namespace httplib

namespace onced::wire {

// What a head says besides the status and the headers that a handler has chosen.
struct HeadTerms {
  int minor_version = 1;  // of the request: what its client knows
  bool last = false;      // the connection closes after the answer
  bool as_is = false;     // it is another server's: nothing is added about storing and types
  const HeaderList* headers = nullptr;  // in their order, before those of the response
  std::string_view request_id;          // empty: none is told; else unless the headers have one
  bool chunked = false;
  std::optional<uint64_t> length;  // neither: there is no body, or it ends with the connection
};

// With the empty line; with room for a body of `body_room` bytes after it.
std::string ResponseHead(const httplib::Response& response, const HeadTerms& terms,
                         size_t body_room = 0);

// Status, body and headers of a problem, for a handler's answer or the connection's own.
void SetProblem(const Problem& problem, httplib::Response& response);

// A whole answer, after which the connection closes.
std::string LastAnswer(const Problem& problem, std::string_view request_id);

}  // namespace onced::wire
