// SPDX-License-Identifier: MIT
// Any bytes at all, as the head and the body of requests: the parser never fails in a way it should
// not, what it lets through is harmless, and how the bytes are cut never changes what comes out.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "server/wire/request_parser.h"

namespace onced::wire {
namespace {

using Progress = RequestParser::Progress;

void Must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "it does not hold that %s\n", what);
  std::abort();
}

struct Parsed {
  Progress progress = Progress::kNeedsMore;
  Problem refusal;
  std::optional<Request> request;
  size_t consumed = 0;
};

// Feeds `bytes` in pieces whose sizes `next_size` tells, as a connection would.
template <typename NextSize>
Parsed Parse(std::string_view bytes, const RequestLimits& limits, const NextSize& next_size) {
  RequestParser parser(limits);
  Parsed parsed;
  size_t arrived = 0;
  while (parsed.progress == Progress::kNeedsMore && arrived < bytes.size()) {
    arrived = std::min(bytes.size(), arrived + next_size());
    // A copy of just these bytes, so that a sanitizer sees a read past their end.
    const std::string piece(bytes.substr(parsed.consumed, arrived - parsed.consumed));
    size_t consumed = 0;
    parsed.progress = parser.Feed(piece, &consumed);
    Must(consumed <= piece.size(), "no more is consumed than was given");
    parsed.consumed += consumed;
  }
  if (parsed.progress == Progress::kComplete) parsed.request = parser.TakeRequest();
  if (parsed.progress == Progress::kRefused) parsed.refusal = parser.refusal();
  return parsed;
}

void MustBeTheSame(const Parsed& whole, const Parsed& cut) {
  Must(whole.progress == cut.progress, "a cut leaves the progress as it was");
  Must(whole.refusal.code == cut.refusal.code, "a cut leaves the code as it was");
  Must(whole.refusal.detail == cut.refusal.detail, "a cut leaves the detail as it was");
  if (!whole.request.has_value()) return;
  const Request &a = *whole.request, &b = *cut.request;
  Must(whole.consumed == cut.consumed, "a cut leaves the request's end where it was");
  Must(a.method == b.method && a.target == b.target && a.minor_version == b.minor_version &&
           a.headers == b.headers && a.body == b.body && a.keep_alive == b.keep_alive &&
           a.expects_continue == b.expects_continue,
       "a cut leaves the request as it was");
}

void MustBeHarmless(const Request& request, const RequestLimits& limits) {
  const auto has_control = [](std::string_view text) {
    for (const char c : text) {
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F) return true;
    }
    return false;
  };
  Must(!request.method.empty() && !has_control(request.method), "a method is a word");
  Must(request.target.starts_with('/') && !has_control(request.target) &&
           request.target.find_first_of(" \t") == std::string::npos &&
           request.target.size() <= limits.target_bytes,
       "a target is a path");
  Must(request.headers.size() <= limits.headers, "headers are few");
  Must(request.body.size() <= limits.body_bytes, "a body is small");
  for (const auto& [name, value] : request.headers) {
    Must(!name.empty() && !has_control(name) && name.find_first_of(" \t:") == std::string::npos,
         "a header has a name");
    Must(!has_control(value), "a header's value is one line");
  }
}

// Every request that begins in `bytes`, until one is refused or not whole.
void Check(std::string_view bytes, const RequestLimits& limits, uint32_t seed) {
  for (int requests = 0; requests < 8 && !bytes.empty(); ++requests) {
    const Parsed whole = Parse(bytes, limits, [&] { return bytes.size(); });
    MustBeTheSame(whole, Parse(bytes, limits, [&] {
                    seed = seed * 1664525 + 1013904223;
                    return size_t{1} +
                           ((seed >> 16) % 3 == 0 ? (seed >> 20) % 64 : (seed >> 20) % 4);
                  }));
    if (bytes.size() < 300) MustBeTheSame(whole, Parse(bytes, limits, [] { return size_t{1}; }));
    if (!whole.request.has_value()) return;
    MustBeHarmless(*whole.request, limits);
    bytes.remove_prefix(whole.consumed);
  }
}

}  // namespace
}  // namespace onced::wire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto seed = static_cast<uint32_t>(std::hash<std::string_view>()(bytes));
  onced::wire::Check(bytes, onced::wire::RequestLimits{}, seed);
  onced::wire::Check(
      bytes,
      {.head_bytes = 160, .headers = 4, .target_bytes = 40, .path_bytes = 20, .body_bytes = 16},
      seed + 1);
  return 0;
}
