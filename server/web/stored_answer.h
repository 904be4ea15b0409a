// SPDX-License-Identifier: MIT
// StoredAnswer: an answer of an upstream as the gateway keeps it, which is the result of a run and
// the JSON that the API shows and takes:
//
//   {"status":200,"headers":[["content-type","text/plain"]],"body_base64":"aGk="}
//   {"status":200,"headers":[],"body_omitted":true}    too large, or not to be kept
//   {"status":200,"consumed":true}                     done, and nothing but that is known
//
// A header's value is bytes and JSON is text: one byte is one code point, U+0000..U+00FF, so that
// any value is replayed as it came.
//
// Threads: values and pure functions.
// Invariants: 1. Parse(Encode()) is the same answer. 2. What Parse lets pass can be put on the
// wire: no value ends its line, and nothing of how the answer is framed, or of one hop, is among
// the headers. 3. An error names the field; of a value it says nothing.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/status.h"

namespace onced {

// What the scope of a gateway's key begins with; what follows is its route's and its principal's.
constexpr std::string_view kGatewayScope = "gw:";

struct StoredAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool body_omitted = false;
  bool consumed = false;  // then no header and no body is kept

  std::string Encode() const;
  static Result<StoredAnswer> Parse(std::string_view json);

  friend bool operator==(const StoredAnswer&, const StoredAnswer&) = default;
};

}  // namespace onced
