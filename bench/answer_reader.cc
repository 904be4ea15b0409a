// SPDX-License-Identifier: MIT
#include "bench/answer_reader.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdlib>
#include <limits>

#include "bench/child.h"

namespace onced::bench {

namespace http = boost::beast::http;

struct AnswerReader::Parsing {
  Parsing() {
    parser.eager(true);
    parser.body_limit(std::numeric_limits<uint64_t>::max());
  }
  http::response_parser<http::string_body> parser;
  size_t head_size = 0;
};

AnswerReader::AnswerReader(Protocol protocol) : protocol_(protocol) {}
AnswerReader::~AnswerReader() = default;
AnswerReader::AnswerReader(AnswerReader&&) noexcept = default;

std::optional<Answer> AnswerReader::WholeHttp() {
  if (!parsing_) parsing_ = std::make_unique<Parsing>();
  auto& parser = parsing_->parser;
  while (!parser.is_done() && size_ < in_.size()) {
    boost::system::error_code error;
    // Not beyond the head at first: its end is where the answer's fields are read from.
    parser.eager(parser.is_header_done());
    size_ += parser.put(boost::asio::buffer(in_.data() + size_, in_.size() - size_), error);
    if (parser.is_header_done() && parsing_->head_size == 0) parsing_->head_size = size_;
    if (error == http::error::need_more) break;
    if (error) Fail("no HTTP answer (" + error.message() + "): " + in_.substr(0, 200));
  }
  if (!parser.is_done()) return std::nullopt;
  return Answer{.status = static_cast<int>(parser.get().result_int()),
                .head = std::string_view(in_).substr(0, parsing_->head_size),
                .body = parser.get().body()};
}

std::optional<Answer> AnswerReader::Whole() {
  if (protocol_ == Protocol::kHttp) return WholeHttp();
  size_ = ReplySize(in_);
  if (size_ == 0) return std::nullopt;
  return Answer{.body = std::string_view(in_).substr(0, size_)};
}

void AnswerReader::Drop() {
  in_.erase(0, size_);
  size_ = 0;
  parsing_.reset();
}

size_t ReplySize(std::string_view bytes) {
  size_t at = 0;
  for (int64_t left = 1; left > 0; --left) {
    const size_t end = bytes.find("\r\n", at);
    if (end == std::string_view::npos) return 0;
    const int64_t number = std::atoll(std::string(bytes.substr(at + 1, end - at - 1)).c_str());
    switch (bytes[at]) {
      case '$':
        at = end + 2 + (number < 0 ? 0 : static_cast<size_t>(number) + 2);
        break;
      case '*':
        left += number < 0 ? 0 : number;
        [[fallthrough]];
      case '+':
      case '-':
      case ':':
      case '_':
        at = end + 2;
        break;
      default:
        Fail("no reply of the Redis protocol: " + std::string(bytes.substr(at, 200)));
    }
    if (at > bytes.size()) return 0;
  }
  return at;
}

}  // namespace onced::bench
