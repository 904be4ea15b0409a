// SPDX-License-Identifier: MIT
// The output is built front to back in one string. An object's members are written in the order
// they come; when it closes, they are put in order inside the part of the output they already fill.
// So there is no tree, and the only stack is that of the open objects and arrays.
#include "server/json/canonical_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "server/json/json_writer.h"

namespace onced {
namespace {

constexpr std::string_view kBetween = ", ";

struct Member {
  std::string name;  // decoded: its bytes sort as its code points do
  size_t begin;      // of `"name": value` in the output
  size_t end;
};

struct Container {
  JsonKind kind;
  size_t members_before;  // how many members the objects around it have so far
};

// Whether a number that no double is near is so because it is huge, not because it is tiny: whether
// its first digit other than 0 stands left of the point once the exponent has moved that.
// REQUIRES: one of the two is so; `number` is a valid JSON number.
bool IsHuge(std::string_view number) {
  constexpr int64_t kFar = int64_t{1} << 62;  // further than any text is long; sums stay in range
  const size_t e = std::min(number.find_first_of("eE"), number.size());
  const size_t point = std::min(number.find('.'), e);
  const size_t first = number.find_first_of("123456789");
  std::string_view exponent_text = number.substr(std::min(e + 1, number.size()));
  if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
  int64_t exponent = 0;
  const std::from_chars_result read =
      std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
  if (read.ec == std::errc::result_out_of_range) return !exponent_text.starts_with('-');
  return std::clamp(exponent, -kFar, kFar) + static_cast<int64_t>(point - first) > 0;
}

// Appends repr(value): the shortest digits that read back as it, in the exponent form when the
// first of them counts 1e16 and up or less than 1e-4, otherwise plain and always with a point.
void AppendRepr(double value, std::string* out) {
  std::array<char, 32> buffer{};
  const std::to_chars_result written =
      std::to_chars(buffer.begin(), buffer.end(), std::abs(value), std::chars_format::scientific);
  ONCED_CHECK(written.ec == std::errc());
  // One digit, a point if there are more, 'e', a sign and two digits or more: also Python's form.
  std::string digits(buffer.begin(), written.ptr);
  const size_t e = digits.find('e');
  int exponent = 0;
  std::from_chars(digits.data() + e + 2, digits.data() + digits.size(), exponent);
  if (digits[e + 1] == '-') exponent = -exponent;
  if (std::signbit(value)) *out += '-';
  if (exponent < -4 || exponent >= 16) {
    *out += digits;
    return;
  }
  digits.resize(e);
  if (e > 1) digits.erase(1, 1);
  if (exponent < 0) {
    out->append("0.").append(static_cast<size_t>(-exponent - 1), '0').append(digits);
    return;
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) digits.append(whole + 1 - digits.size(), '0');
  out->append(digits, 0, whole).append(".").append(digits, whole);
}

void AppendString(std::string_view decoded, std::string* out) {
  *out += '"';
  while (!decoded.empty()) AppendCodePointAscii(&decoded, out);
  *out += '"';
}

class Canonicalizer {
 public:
  explicit Canonicalizer(const JsonRules& rules) : rules_(rules) {}

  Result<std::string> Write(std::string_view json) {
    JsonTokens tokens(json, rules_);
    out_.reserve(json.size() + json.size() / 4);
    while (tokens.Next()) ONCED_RETURN_IF_ERROR(Add(tokens.token()));
    ONCED_RETURN_IF_ERROR(tokens.status());
    return std::move(out_);
  }

 private:
  Status Add(const JsonToken& token) {
    switch (token.type) {
      case JsonToken::Type::kOpen:
        BeginValue();
        out_ += token.raw;
        open_.push_back({token.kind, members_.size()});
        return Status::Ok();
      case JsonToken::Type::kClose:
        if (token.kind == JsonKind::kObject) ONCED_RETURN_IF_ERROR(SortMembers());
        open_.pop_back();
        out_ += token.raw;
        return Status::Ok();
      case JsonToken::Type::kName:
        BeginMember(DecodeJsonString(token.raw));
        return Status::Ok();
      case JsonToken::Type::kValue:
        BeginValue();
        return AddScalar(token);
    }
    return Status::Ok();
  }

  // Sets an array's element off from the one before. A member's value follows its name as it is.
  void BeginValue() {
    if (!open_.empty() && open_.back().kind == JsonKind::kArray && out_.back() != '[') {
      out_ += kBetween;
    }
  }

  void BeginMember(std::string name) {
    if (members_.size() > open_.back().members_before) {
      members_.back().end = out_.size();
      out_ += kBetween;
    }
    members_.push_back({std::move(name), out_.size(), out_.size()});
    AppendString(members_.back().name, &out_);
    out_ += ": ";
  }

  Status AddScalar(const JsonToken& token) {
    if (token.kind == JsonKind::kString) {
      AppendString(DecodeJsonString(token.raw), &out_);
    } else if (token.kind == JsonKind::kNumber) {
      double value = 0;
      const std::from_chars_result read =
          std::from_chars(token.raw.data(), token.raw.data() + token.raw.size(), value);
      if (read.ec == std::errc::result_out_of_range) {
        if (IsHuge(token.raw)) return Refuse("number too large for a double");
        value = token.raw.starts_with('-') ? -0.0 : 0.0;
      }
      AppendRepr(value, &out_);
    } else {
      out_ += token.raw == "-0" ? "0" : token.raw;
    }
    return Status::Ok();
  }

  // Puts the members of the innermost object in order, where they stand, and forgets them.
  Status SortMembers() {
    const auto begin = members_.begin() + static_cast<ptrdiff_t>(open_.back().members_before);
    if (begin == members_.end()) return Status::Ok();
    members_.back().end = out_.size();
    const size_t out_begin = begin->begin;
    const auto by_name = [](const Member& a, const Member& b) { return a.name < b.name; };
    if (!std::is_sorted(begin, members_.end(), by_name)) {
      std::sort(begin, members_.end(), by_name);
      sorted_.clear();
      for (auto member = begin; member != members_.end(); ++member) {
        if (member != begin) sorted_ += kBetween;
        sorted_.append(out_, member->begin, member->end - member->begin);
      }
      ONCED_CHECK(sorted_.size() == out_.size() - out_begin);
      out_.replace(out_begin, std::string::npos, sorted_);
    }
    const auto twice = std::adjacent_find(
        begin, members_.end(), [](const Member& a, const Member& b) { return a.name == b.name; });
    if (twice != members_.end()) {
      return Refuse("duplicate field \"" + PrintableName(twice->name) + "\"");
    }
    members_.erase(begin, members_.end());
    return Status::Ok();
  }

  Status Refuse(const std::string& what) const {
    return Status::InvalidArgument(std::string(rules_.label).append(": ").append(what));
  }

  const JsonRules rules_;
  std::string out_;
  std::string sorted_;  // scratch
  std::vector<Container> open_;
  std::vector<Member> members_;  // of all open objects, outermost first
};

}  // namespace

Result<std::string> CanonicalJson(std::string_view json, const JsonRules& rules) {
  return Canonicalizer(rules).Write(json);
}

}  // namespace onced
