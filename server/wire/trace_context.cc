// SPDX-License-Identifier: MIT
#include "server/wire/trace_context.h"

#include <algorithm>

#include "server/wire/chance.h"

namespace onced::wire {
namespace {

constexpr size_t kLength = 55;  // 00-{32}-{16}-{2}
constexpr size_t kTraceAt = 3;
constexpr size_t kParentAt = 36;
constexpr size_t kFlagsAt = 53;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

bool IsOne(std::string_view text) {
  if (text.size() < kLength) return false;
  const std::string_view version = text.substr(0, 2);
  if (!IsHex(version) || version == "ff") return false;
  // What a later version adds begins with a dash.
  if (text.size() > kLength && (version == "00" || text[kLength] != '-')) return false;
  if (text[2] != '-' || text[kParentAt - 1] != '-' || text[kFlagsAt - 1] != '-') return false;
  const std::string_view trace = text.substr(kTraceAt, 32);
  const std::string_view parent = text.substr(kParentAt, 16);
  return IsHex(trace) && !IsZero(trace) && IsHex(parent) && !IsZero(parent) &&
         IsHex(text.substr(kFlagsAt, 2));
}

}  // namespace

TraceContext TraceContext::Of(std::string_view traceparent, size_t count) {
  TraceContext context;
  if (count != 1 || !IsOne(traceparent)) return context;
  std::copy_n(traceparent.begin() + kTraceAt, 32, context.trace_id_.begin());
  // Of the flags only `sampled` has a meaning; the others must go on as zero (3.2.2.5.2).
  const char low = traceparent[kFlagsAt + 1];
  const int digit = low <= '9' ? low - '0' : low - 'a' + 10;
  context.flags_ = {'0', (digit & 1) != 0 ? '1' : '0'};
  context.is_given_ = true;
  context.TakeSpan();
  return context;
}

TraceContext TraceContext::New() {
  TraceContext context;
  PutHex(Chance() | 1, 16, context.trace_id_.data());
  PutHex(Chance(), 16, context.trace_id_.data() + 16);
  context.flags_ = {'0', '0'};
  context.TakeSpan();
  return context;
}

void TraceContext::TakeSpan() { PutHex(Chance() | 1, 16, span_id_.data()); }

std::string TraceContext::TraceParent() const {
  std::string text;
  text.reserve(kLength);
  text.append("00-").append(trace_id()).append("-").append(span_id()).append("-").append(flags());
  return text;
}

}  // namespace onced::wire
