// SPDX-License-Identifier: MIT
#include "server/gateway/answer_head.h"

#include <algorithm>

#include "engine/check.h"
#include "server/wire/field_syntax.h"

namespace onced {
namespace {

using wire::SameName;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void AnswerHead::Reset(bool of_head_request) {
  of_head_request_ = of_head_request;
  done_ = false;
  bytes_before_ = 0;
  BeginHead();
}

void AnswerHead::BeginHead() {
  in_head_ = false;
  bodyless_ = false;
  chunked_ = false;
  http_1_0_ = false;
  status_ = 0;
  length_ = -1;
  bytes_ = 0;
  headers_.clear();
}

AnswerHead::Verdict AnswerHead::Bad(const char* why) {
  why_ = why;
  return Verdict::kBad;
}

AnswerHead::Verdict AnswerHead::Take(std::string_view line) {
  ONCED_CHECK(!done_);
  bytes_ += line.size();
  if (bytes_ > kHeadBytesMax) return Bad("the head of the answer is too large");
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.find_first_of(std::string_view("\r\n\0", 3)) != line.npos) {
    return Bad("the answer has a CR, LF or NUL within a line of its head");
  }
  if (!in_head_) return TakeStatusLine(line);
  return line.empty() ? TakeEnd() : TakeHeader(line);
}

AnswerHead::Verdict AnswerHead::TakeStatusLine(std::string_view line) {
  constexpr std::string_view kForm = "HTTP/1.x nnn";
  const bool right = line.size() >= kForm.size() && line.starts_with("HTTP/1.") &&
                     (line[7] == '0' || line[7] == '1') && line[8] == ' ' && line[9] >= '1' &&
                     IsDigit(line[9]) && IsDigit(line[10]) && IsDigit(line[11]) &&
                     (line.size() == kForm.size() || line[12] == ' ');
  if (!right) return Bad("the status line of the answer is none of HTTP/1.x");
  http_1_0_ = line[7] == '0';
  status_ = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  in_head_ = true;
  return Verdict::kMore;
}

AnswerHead::Verdict AnswerHead::TakeHeader(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') {
    return Bad("a header of the answer goes on in another line");
  }
  const size_t colon = line.find(':');
  if (colon == line.npos || !wire::IsToken(line.substr(0, colon))) {
    return Bad("a line in the head of the answer is no header");
  }
  if (headers_.size() >= kHeadersMax) return Bad("the answer has too many headers");
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = wire::Trimmed(line.substr(colon + 1));
  if (SameName(name, "content-length")) return TakeLength(value);
  if (SameName(name, "transfer-encoding")) {
    if (chunked_ || !SameName(value, "chunked")) {
      return Bad("the answer has a Transfer-Encoding other than chunked");
    }
    chunked_ = true;
    return Verdict::kMore;
  }
  headers_.emplace_back(name, value);
  return Verdict::kMore;
}

AnswerHead::Verdict AnswerHead::TakeLength(std::string_view value) {
  constexpr size_t kDigitsMax = 18;  // of what an int64_t surely holds
  if (value.empty() || value.size() > kDigitsMax ||
      !std::all_of(value.begin(), value.end(), IsDigit)) {
    return Bad("the Content-Length of the answer is no number");
  }
  int64_t length = 0;
  for (const char digit : value) length = length * 10 + (digit - '0');
  if (length_ >= 0 && length != length_) return Bad("the answer has two Content-Lengths");
  length_ = length;
  return Verdict::kMore;
}

AnswerHead::Verdict AnswerHead::TakeEnd() {
  if (status_ == 101) return Bad("the answer changes the protocol, and nobody asked for it");
  if (status_ < 200) {
    bytes_before_ += bytes_;
    if (bytes_before_ > kInterimBytesMax) return Bad("too many interim answers came");
    BeginHead();
    return Verdict::kMore;
  }
  if (chunked_ && length_ >= 0) {
    return Bad("the answer has both a Transfer-Encoding and a Content-Length");
  }
  if (chunked_ && http_1_0_) return Bad("the answer is HTTP/1.0 and has a Transfer-Encoding");
  bodyless_ = of_head_request_ || status_ == 204 || status_ == 304;
  if (status_ == 204) length_ = 0;
  done_ = true;
  return Verdict::kDone;
}

}  // namespace onced
