// SPDX-License-Identifier: MIT
// Reply: writes one answer in RESP2 or RESP3, whichever its session speaks.
//
// Threads: one.
// Invariants: 1. Who announces an array, a map or a set writes as many members behind it. 2. An
// error or a status has no line's end in it: what would be one becomes a space. 3. Once the output
// is longer than `most`, no more values are added: it will not be sent (Interpreter::RunNow).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace onced::redis {

class Reply {
 public:
  Reply(std::string* out, int protocol, size_t most = SIZE_MAX)
      : out_(out), protocol_(protocol), most_(most) {}

  int protocol() const { return protocol_; }
  std::string& out() { return *out_; }
  // It is larger than it may be, and will not be told: there is no use in more of it.
  bool IsFull() const { return out_->size() > most_; }

  void Ok() { out_->append("+OK\r\n"); }
  void Status(std::string_view text) { Line('+', text); }
  // With its prefix: "ERR ...", "WRONGTYPE ...".
  void Error(std::string_view text) { Line('-', text); }
  void Integer(int64_t value);
  void Bulk(std::string_view bytes);
  void Null();       // instead of a value
  void NullArray();  // of an EXEC that was called off
  void Array(size_t size) { Header('*', size); }
  void Map(size_t pairs) { protocol_ == 3 ? Header('%', pairs) : Header('*', pairs * 2); }
  void Set(size_t size) { Header(protocol_ == 3 ? '~' : '*', size); }
  void Push(size_t size) { Header(protocol_ == 3 ? '>' : '*', size); }
  void Boolean(bool value);  // 1 or 0 in RESP2
  void Double(double value);
  void BigNumber(std::string_view digits);
  // Text for people. `format`: of three letters.
  void Verbatim(std::string_view text, std::string_view format = "txt");

 private:
  void Header(char type, size_t size);
  void Line(char type, std::string_view text);
  void AppendInLine(std::string_view text);

  std::string* const out_;
  const int protocol_;
  const size_t most_;
};

// As Redis writes a double in a reply: 17 digits, no trailing zeros, "inf", "-inf", "nan".
std::string DoubleText(double value);
// As it writes a score in a ZSCAN: without an exponent where it is a whole number of 64 bits.
std::string ScoreText(double value);
// As it writes a number with a fraction for people: 17 digits behind the point at most, and no
// zeros at the end.
std::string FloatText(long double value);

}  // namespace onced::redis
