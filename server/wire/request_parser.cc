// SPDX-License-Identifier: MIT
#include "server/wire/request_parser.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "engine/check.h"

namespace onced::wire {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

std::string Text(beast::string_view view) { return {view.data(), view.size()}; }

// The characters of a host and a port (RFC 3986, 3.2.2); an empty one is one too.
bool IsHost(std::string_view text) {
  constexpr std::string_view kMarks = "-._~!$&'()*+,;=%:[]";
  return std::all_of(text.begin(), text.end(), [kMarks](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != kMarks.npos;
  });
}

bool AllDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

constexpr size_t kHeadersUsual = 8;

// What a byte of a head may be part of; nothing: it is a control byte.
enum : uint8_t { kText = 1, kColon = 2, kSpace = 4, kTab = 8, kHigh = 16 };
constexpr uint8_t kInLine = kText | kColon | kSpace;
constexpr uint8_t kInName = kText | kHigh;
constexpr uint8_t kInValue = kText | kColon | kSpace | kTab | kHigh;
constexpr std::array<uint8_t, 256> kKinds = [] {
  std::array<uint8_t, 256> kinds{};
  for (size_t byte = 0x21; byte < 0x7F; ++byte) kinds[byte] = kText;
  for (size_t byte = 0x80; byte < 0x100; ++byte) kinds[byte] = kHigh;
  kinds[':'] = kColon;
  kinds[' '] = kSpace;
  kinds['\t'] = kTab;
  return kinds;
}();
uint8_t KindAt(std::string_view text, size_t at) {
  return at < text.size() ? kKinds[static_cast<uint8_t>(text[at])] : uint8_t{0};
}
size_t EndOfRun(std::string_view text, size_t at, uint8_t kinds) {
  while ((KindAt(text, at) & kinds) != 0) ++at;
  return at;
}

// What RFC 9112 forbids in a head and a lenient parser might let pass. Names the first offence.
std::optional<std::string> OffenceIn(std::string_view head) {
  bool request_line = true;
  for (size_t at = 0; at < head.size(); request_line = false) {
    const size_t begin = at;
    at = EndOfRun(head, at, request_line ? kInLine : kInName);
    const bool named = KindAt(head, at) == kColon;
    if (named) at = EndOfRun(head, at, kInValue);
    const uint8_t kind = KindAt(head, at);
    if (kind != 0 && request_line) return "the request line";
    if (kind != 0) return at == begin ? "a folded header line" : "white space in a header name";
    if (at == head.size()) break;
    if (head[at] != '\r' && head[at] != '\n') return "a control byte in the head";
    if (!head.substr(at).starts_with("\r\n")) return "a bare CR or LF";
    if (!request_line && !named && at > begin) return "a header line without a colon";
    at += 2;
  }
  return std::nullopt;
}

// Whether the request line ends in a well-formed HTTP version, if not in one that is spoken here.
bool NamesAVersion(std::string_view head) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  if (line.size() < 9 || std::count(line.begin(), line.end(), ' ') != 2) return false;
  const std::string_view version = line.substr(line.size() - 9);
  return version.starts_with(" HTTP/") && AllDigits(version.substr(6, 1)) && version[7] == '.' &&
         AllDigits(version.substr(8));
}

// What stands before the data of a chunk, or after the last one.
struct ChunkHead {
  size_t bytes = 0;             // 0: not all of it is here yet
  uint64_t chunk_size = 0;      // 0: the body ends with it
  const char* fault = nullptr;  // it can never become a right one
};

// Judges byte after byte, so that the cut cannot matter. `first`: no data stand before it, whose
// line end would belong to it.
ChunkHead ReadChunkHead(std::string_view bytes, bool first) {
  constexpr size_t kDigitsMax = 16;
  size_t at = 0;
  bool missing = false;
  const auto line_end = [&] {  // false: something else is there
    for (const char wanted : {'\r', '\n'}) {
      missing = missing || at == bytes.size();
      if (missing) return true;
      if (bytes[at++] != wanted) return false;
    }
    return true;
  };
  if (!first && !line_end()) return {.fault = "a chunk does not end where its size says"};
  const std::string_view rest = bytes.substr(at);
  const size_t digits = std::min(rest.find_first_not_of("0123456789abcdefABCDEF"), rest.size());
  if (digits > kDigitsMax) return {.fault = "the size of a chunk"};
  if (digits == rest.size()) return {};
  if (digits == 0) return {.fault = "the size of a chunk"};
  ChunkHead head;
  std::from_chars(rest.data(), rest.data() + digits, head.chunk_size, 16);
  at += digits;
  if (bytes[at] == ';') return {.fault = "chunk extensions are not accepted"};
  if (!line_end()) return {.fault = "the size of a chunk"};
  if (head.chunk_size == 0 && !line_end()) return {.fault = "trailers are not accepted"};
  head.bytes = missing ? 0 : at;
  return head;
}

}  // namespace

std::string_view Request::Header(std::string_view name) const {
  for (const auto& [header, value] : headers) {
    if (SameName(header, name)) return value;
  }
  return {};
}

// Collects what Beast parses; every callback may refuse by leaving a Problem behind.
class RequestParser::Beast : public http::basic_parser<true> {
 public:
  explicit Beast(const RequestLimits& limits) : limits_(limits) {
    eager(true);
    header_limit(static_cast<std::uint32_t>(limits.head_bytes));
    body_limit(UINT64_MAX);  // until it is known whether the body will be collected
    request_.headers.reserve(kHeadersUsual);
  }

  const Request& request() const { return request_; }
  Request&& TakeRequest() { return std::move(request_); }
  bool head_done() const { return head_done_; }
  const std::optional<Problem>& refusal() const { return refusal_; }
  // How the body is read, once the head is done and before the first byte of it. False: it is too
  // long to be collected.
  bool Collect() {
    body_limit(limits_.body_bytes);
    return request_.body_length <= static_cast<int64_t>(limits_.body_bytes);
  }
  void Stream(std::function<void(std::string_view)> sink) { sink_ = std::move(sink); }
  // Of a chunk or of the body there is nothing missing: what stands before a chunk comes next.
  bool between_chunks() const { return head_done_ && chunked() && in_chunk_ == 0; }
  bool any_chunk() const { return any_chunk_; }
  std::uint64_t in_chunk() const { return in_chunk_; }

 private:
  void on_request_impl(http::verb /*verb*/, beast::string_view method, beast::string_view target,
                       int version, beast::error_code& ec) override {
    request_.method = Text(method);
    request_.target = Text(target);
    request_.minor_version = version % 10;
    if (version != 11 && version != 10) {
      Refuse(ec, "version_not_supported", "the HTTP version: 1.1 and 1.0 are spoken here");
    } else if (request_.target.empty() || request_.target.front() != '/') {
      // Absolute, authority and asterisk forms name what only a proxy or a tunnel would want.
      Refuse(ec, "invalid_request", "the request target must start with '/'");
    } else if (request_.target.size() > limits_.target_bytes ||
               std::min(request_.target.find('?'), request_.target.size()) > limits_.path_bytes) {
      Refuse(ec, "uri_too_long", "the request target is too long");
    }
  }
  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {
    ONCED_CHECK(false);
  }

  void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                     beast::error_code& ec) override {
    if (request_.headers.size() == limits_.headers) {
      return Refuse(ec, "head_too_large", "too many headers");
    }
    if (field == http::field::host) {
      ++hosts_;
      if (!IsHost(Text(value))) {
        return Refuse(ec, "invalid_request", "Host: not a host, with or without a port");
      }
    }
    if (field == http::field::content_length) {
      ++lengths_;
      // Beast takes "2, 2" for 2.
      if (!AllDigits(Text(value))) return Refuse(ec, "invalid_request", "Content-Length: a number");
    }
    if (field == http::field::content_encoding && !limits_.coded_bodies &&
        !SameName(Text(value), "identity")) {
      return Refuse(ec, "unsupported_media_type", "Content-Encoding: send the body as it is");
    }
    if (field == http::field::transfer_encoding) {
      ++encodings_;
      if (!SameName(Text(value), "chunked")) {
        return Refuse(ec, "not_implemented", "Transfer-Encoding: only chunked is spoken here");
      }
    }
    if (field == http::field::upgrade) {
      return Refuse(ec, "not_implemented", "Upgrade is not offered");
    }
    if (field == http::field::expect) {
      if (!SameName(Text(value), "100-continue")) {
        return Refuse(ec, "expectation_failed", "Expect: only 100-continue is known");
      }
      request_.expects_continue = request_.minor_version == 1;  // 1.0 does not know what 100 means
    }
    request_.headers.emplace_back(Text(name), Text(value));
  }

  void on_header_impl(beast::error_code& ec) override {
    head_done_ = true;
    request_.keep_alive = keep_alive();
    const std::uint64_t length = content_length().value_or(0);
    request_.body_length =
        chunked() ? -1 : static_cast<int64_t>(std::min<uint64_t>(length, INT64_MAX));
    if (hosts_ > 1 || (hosts_ == 0 && request_.minor_version == 1)) {
      return Refuse(ec, "invalid_request", "there must be one Host header");
    }
    if (lengths_ > 1 || encodings_ > 1 || (lengths_ > 0 && encodings_ > 0)) {
      return Refuse(ec, "invalid_request", "the body's length is given more than once");
    }
    if (encodings_ > 0 && request_.minor_version == 0) {
      return Refuse(ec, "invalid_request", "HTTP/1.0 has no Transfer-Encoding");
    }
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>& length,
                         beast::error_code& /*ec*/) override {
    if (!length.has_value() || sink_) return;
    request_.body.reserve(static_cast<size_t>(*length));
  }
  std::size_t on_body_impl(beast::string_view part, beast::error_code& /*ec*/) override {
    Take(part);
    return part.size();
  }
  void on_chunk_header_impl(std::uint64_t size, beast::string_view /*extensions*/,
                            beast::error_code& /*ec*/) override {
    in_chunk_ = size;
    any_chunk_ = true;
  }
  std::size_t on_chunk_body_impl(std::uint64_t /*remain*/, beast::string_view part,
                                 beast::error_code& /*ec*/) override {
    in_chunk_ -= part.size();
    Take(part);
    return part.size();
  }
  void on_finish_impl(beast::error_code& /*ec*/) override {}

  void Take(beast::string_view part) {
    if (sink_) return sink_({part.data(), part.size()});
    request_.body.append(part.data(), part.size());
  }
  void Refuse(beast::error_code& ec, std::string code, std::string detail) {
    refusal_ = Problem{.code = std::move(code), .detail = std::move(detail)};
    ec = http::error::bad_value;
  }

  const RequestLimits& limits_;
  Request request_;
  std::function<void(std::string_view)> sink_;
  std::optional<Problem> refusal_;
  bool head_done_ = false;
  std::uint64_t in_chunk_ = 0;  // bytes of the current chunk that are still to come
  bool any_chunk_ = false;
  int hosts_ = 0;
  int lengths_ = 0;
  int encodings_ = 0;
};

RequestParser::RequestParser(const RequestLimits& limits, bool stops_at_head)
    : limits_(limits), beast_(std::make_unique<Beast>(limits_)), stops_at_head_(stops_at_head) {}
RequestParser::~RequestParser() = default;

bool RequestParser::head_done() const { return beast_->head_done(); }
bool RequestParser::expects_continue() const { return beast_->request().expects_continue; }
size_t RequestParser::body_bytes() const { return beast_->request().body.size(); }
const Request& RequestParser::head() const { return beast_->request(); }
Request RequestParser::TakeRequest() { return beast_->TakeRequest(); }
bool RequestParser::at_head() const { return at_head_; }
void RequestParser::StreamBody(std::function<void(std::string_view part)> sink) {
  ONCED_CHECK(at_head_);
  at_head_ = false;
  beast_->Stream(std::move(sink));
}
const Problem& RequestParser::refusal() const { return refusal_; }

RequestParser::Progress RequestParser::Refuse(std::string code, std::string detail) {
  refusal_ = {.code = std::move(code), .detail = std::move(detail)};
  return Progress::kRefused;
}

RequestParser::Progress RequestParser::RefuseLength() {
  return Refuse("payload_too_large",
                "the body must be at most " + std::to_string(limits_.body_bytes) + " bytes");
}

// kComplete: the head is here as a whole, and harmless.
RequestParser::Progress RequestParser::CheckHead(std::string_view bytes) {
  const size_t from = head_scanned_ < 3 ? 0 : head_scanned_ - 3;
  const size_t end = bytes.find("\r\n\r\n", from);
  head_scanned_ = bytes.size();
  head_size_ = end + 4;  // when there is an end
  // A head that can never become a right one is refused at once, not at its deadline. A CR at the
  // end of what is here may still get its LF; and nothing is judged that lies beyond the limit, for
  // it depends on the cut whether it is here already.
  const auto without_cr = [](std::string_view text) {
    return text.substr(0, text.size() - (text.ends_with('\r') ? 1 : 0));
  };
  const size_t room = limits_.head_bytes - 2;  // for all but the empty line
  const auto seen = without_cr(bytes.substr(0, end == std::string_view::npos ? end : end + 2));
  if (const auto offence = OffenceIn(without_cr(seen.substr(0, room)))) {
    return Refuse("invalid_request", *offence);
  }
  if (seen.size() > room) return Refuse("head_too_large", "the head is too long");
  return end != std::string_view::npos ? Progress::kComplete : Progress::kNeedsMore;
}

RequestParser::Progress RequestParser::Feed(std::string_view bytes, size_t* consumed) {
  *consumed = 0;
  if (!any_seen_ && bytes.starts_with("\r\n")) {  // RFC 9112 2.2: one empty line is ignored
    bytes.remove_prefix(2);
    *consumed = 2;
    any_seen_ = true;
  }
  if (!beast_->head_done()) {
    const Progress head = CheckHead(bytes);
    if (head != Progress::kComplete) return head;
  }
  if (std::exchange(at_head_, false) && !beast_->Collect()) return RefuseLength();
  any_seen_ = true;
  const std::string_view head = bytes;  // when there is a fault in it to be told
  beast::error_code ec;
  while (!bytes.empty() && !beast_->is_done()) {
    // Beast is given no more than one part at a time, and the head and what stands before a chunk
    // as a whole: of malformed ones it would wait for bytes that lie behind them.
    size_t part = bytes.size();
    const bool in_head = !beast_->head_done();
    if (in_head) {
      part = head_size_;
    } else if (beast_->between_chunks()) {
      const ChunkHead chunk = ReadChunkHead(bytes, !beast_->any_chunk());
      if (chunk.fault != nullptr) return Refuse("invalid_request", chunk.fault);
      if (chunk.bytes == 0) break;
      part = chunk.bytes;
    } else if (beast_->chunked()) {
      part = std::min<uint64_t>(part, beast_->in_chunk());
    }
    const size_t used = beast_->put(boost::asio::const_buffer(bytes.data(), part), ec);
    *consumed += used;
    bytes.remove_prefix(used);
    if (ec == http::error::need_more && in_head) {
      return Refuse("invalid_request", "malformed request line");
    }
    if (ec == http::error::need_more) ec = {};
    if (ec || used == 0) break;
    if (in_head && !beast_->is_done()) {
      at_head_ = stops_at_head_;
      if (at_head_) return Progress::kNeedsMore;
      if (!beast_->Collect()) return RefuseLength();
    }
  }
  if (beast_->refusal().has_value()) {
    refusal_ = *beast_->refusal();
    return Progress::kRefused;
  }
  if (ec == http::error::body_limit) return RefuseLength();
  if (ec == http::error::header_limit) return Refuse("head_too_large", "the head is too long");
  if (ec == http::error::bad_version && NamesAVersion(head)) {
    return Refuse("version_not_supported", "the HTTP version: 1.1 and 1.0 are spoken here");
  }
  if (ec) return Refuse("invalid_request", "malformed request: " + ec.message());
  return beast_->is_done() ? Progress::kComplete : Progress::kNeedsMore;
}

}  // namespace onced::wire
