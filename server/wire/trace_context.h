// SPDX-License-Identifier: MIT
// TraceContext: which distributed trace a request belongs to, as W3C Trace Context (Level 1, the
// Recommendation of 23 November 2021) has it: `traceparent` (3.2) read by its grammar, and a span
// id of our own for what goes on from here (3.4, "Mutating the traceparent Field").
//
// A traceparent that is none, or several of them, is as if there were none, and then `tracestate`
// must not be passed on either (3.2, 3.3.1.5; 4.3): the trace begins anew. A later version
// is read as far as it is version 00 (3.2.4, "Versioning of traceparent"), and written as 00.
//
// Threads: a value; pure functions.
// Invariants: ids are lower-case hexadecimal digits and not all zero, or is_there() is false.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace onced::wire {

constexpr char kTraceParentHeader[] = "traceparent";
constexpr char kTraceStateHeader[] = "tracestate";

class TraceContext {
 public:
  TraceContext() = default;  // none
  // `count`: how often the header was there.
  static TraceContext Of(std::string_view traceparent, size_t count = 1);
  // A trace of our own: not sampled, which is for whoever collects traces to decide.
  static TraceContext New();

  bool is_there() const { return trace_id_[0] != 0; }
  std::string_view trace_id() const { return is_there() ? View(trace_id_) : std::string_view(); }
  // This hop's own.
  std::string_view span_id() const { return is_there() ? View(span_id_) : std::string_view(); }
  std::string_view flags() const { return is_there() ? View(flags_) : std::string_view(); }
  // It is the client's, so that its tracestate goes with it.
  bool is_given() const { return is_given_; }
  // As it goes on: version 00, the same trace, our span. REQUIRES: is_there().
  std::string TraceParent() const;

 private:
  template <size_t size>
  static std::string_view View(const std::array<char, size>& text) {
    return {text.data(), size};
  }
  void TakeSpan();

  std::array<char, 32> trace_id_{};
  std::array<char, 16> span_id_{};
  std::array<char, 2> flags_{};
  bool is_given_ = false;
};

}  // namespace onced::wire
