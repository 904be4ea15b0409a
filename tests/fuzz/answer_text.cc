// SPDX-License-Identifier: MIT
#include "tests/fuzz/answer_text.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tests/fuzz/promise.h"

namespace onced {

AnswerHead AnswerText::TakeHead() {
  AnswerHead head;
  const size_t end = left_.find("\r\n\r\n");
  Promise(has_head() && left_.starts_with("HTTP/1.1 "), "an answer has a head", Begin());
  const std::string_view lines = left_.substr(0, end + 2);
  std::from_chars(lines.data() + 9, lines.data() + 12, head.status);
  const size_t length = lines.find("\r\nContent-Length: ");
  if (length != std::string_view::npos) {
    const char* const digits = lines.data() + length + 18;
    const auto [stop, error] =
        std::from_chars(digits, lines.data() + lines.size(), head.length.emplace());
    Promise(error == std::errc() && *stop == '\r', "a length is a number", std::string(lines));
  }
  head.chunked = lines.find("\r\nTransfer-Encoding: chunked\r\n") != lines.npos;
  head.problem = lines.find("\r\nContent-Type: application/problem+json\r\n") != lines.npos;
  head.close = lines.find("\r\nConnection: close\r\n") != lines.npos;
  Promise(!head.chunked || !head.length.has_value(), "a body is framed once", std::string(lines));
  for (size_t i = 0; i < lines.size(); ++i) {
    const char c = lines[i];
    const bool crlf = (c == '\r' && lines[i + 1] == '\n') || (c == '\n' && lines[i - 1] == '\r');
    Promise(crlf || (c >= 0x20 && c != 0x7F), "an answer's head is printable", std::string(lines));
  }
  left_.remove_prefix(end + 4);
  return head;
}

AnswerBody AnswerText::TakeBytes(uint64_t length) {
  AnswerBody body{.bytes = std::string(left_.substr(0, length)), .whole = length <= left_.size()};
  left_.remove_prefix(body.bytes.size());
  return body;
}

std::string AnswerText::TakeRest() { return std::string(std::exchange(left_, {})); }

std::optional<std::string_view> AnswerText::TakeLine() {
  const size_t end = left_.find("\r\n");
  const std::string_view line = left_.substr(0, end);
  left_.remove_prefix(std::min(left_.size(), line.size() + 2));
  if (end == std::string_view::npos) return std::nullopt;
  return line;
}

AnswerBody AnswerText::TakeChunks() {
  AnswerBody body;
  while (true) {
    const std::string begin = Begin();
    const std::optional<std::string_view> line = TakeLine();
    if (!line.has_value()) return body;
    uint64_t size = 0;
    const auto [stop, error] = std::from_chars(line->data(), line->data() + line->size(), size, 16);
    Promise(error == std::errc() && stop == line->data() + line->size() && !line->empty(),
            "a chunk has a size", begin);
    const AnswerBody chunk = TakeBytes(size);
    body.bytes += chunk.bytes;
    if (!chunk.whole) return body;
    const std::string behind = Begin();
    const std::optional<std::string_view> end = TakeLine();
    if (!end.has_value()) return body;
    Promise(end->empty(), "a chunk ends where its size says", behind);
    if (size > 0) continue;
    body.whole = true;
    return body;
  }
}

}  // namespace onced
