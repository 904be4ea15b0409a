// SPDX-License-Identifier: MIT
#include "server/redis/reply.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace onced::redis {

void Reply::Header(char type, size_t size) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), size).ptr;
  out_->push_back(type);
  out_->append(text.data(), end).append("\r\n");
}

void Reply::Line(char type, std::string_view text) {
  out_->push_back(type);
  AppendInLine(text);
  out_->append("\r\n");
}

void Reply::AppendInLine(std::string_view text) {
  for (const char c : text) out_->push_back(c == '\r' || c == '\n' ? ' ' : c);
}

void Reply::Integer(int64_t value) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out_->push_back(':');
  out_->append(text.data(), end).append("\r\n");
}

void Reply::Bulk(std::string_view bytes) {
  if (IsFull()) return;
  Header('$', bytes.size());
  out_->append(bytes).append("\r\n");
}

void Reply::Null() { out_->append(protocol_ == 3 ? "_\r\n" : "$-1\r\n"); }

void Reply::NullArray() { out_->append(protocol_ == 3 ? "_\r\n" : "*-1\r\n"); }

void Reply::Boolean(bool value) {
  if (protocol_ != 3) return Integer(value ? 1 : 0);
  out_->append(value ? "#t\r\n" : "#f\r\n");
}

void Reply::BigNumber(std::string_view digits) {
  if (protocol_ == 3) return Line('(', digits);
  Header('$', digits.size());
  AppendInLine(digits);
  out_->append("\r\n");
}

void Reply::Double(double value) {
  const std::string text = DoubleText(value);
  if (protocol_ != 3) return Bulk(text);
  out_->push_back(',');
  out_->append(text).append("\r\n");
}

void Reply::Verbatim(std::string_view text, std::string_view format) {
  if (protocol_ != 3) return Bulk(text);
  Header('=', text.size() + 4);
  std::string type(format.substr(0, 3));
  type.resize(3, ' ');
  out_->append(type).append(":").append(text).append("\r\n");
}

std::string DoubleText(double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (std::isnan(value)) return "nan";
  std::array<char, 64> text;
  const int size = std::snprintf(text.data(), text.size(), "%.17g", value);
  return {text.data(), static_cast<size_t>(size)};
}

std::string ScoreText(double value) {
  // Half of what 64 bits hold, as Redis has it.
  constexpr double kWholeMax = 4.6116860184273879e18;
  const bool is_whole = value >= -kWholeMax && value <= kWholeMax && std::trunc(value) == value;
  return is_whole ? std::to_string(static_cast<int64_t>(value)) : DoubleText(value);
}

std::string FloatText(long double value) {
  std::array<char, 5 * 1024> text;
  int size = std::snprintf(text.data(), text.size(), "%.17Lf", value);
  std::string out(text.data(), static_cast<size_t>(size));
  if (out.find('.') != out.npos) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.ends_with('.')) out.pop_back();
  }
  return out == "-0" ? "0" : out;
}

}  // namespace onced::redis
