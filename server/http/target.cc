// SPDX-License-Identifier: MIT
#include "server/http/target.h"

#include <algorithm>
#include <charconv>

#include "server/json/json_writer.h"

namespace onced {
namespace {

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

Result<std::string> Decoded(std::string_view part) {
  std::string out;
  out.reserve(part.size());
  for (size_t i = 0; i < part.size(); ++i) {
    char c = part[i];
    if (c == '%') {
      const auto high = i + 1 < part.size() ? HexDigit(part[i + 1]) : std::nullopt;
      const auto low = i + 2 < part.size() ? HexDigit(part[i + 2]) : std::nullopt;
      if (!high.has_value() || !low.has_value()) {
        return Status::InvalidArgument("target: malformed percent escape");
      }
      c = static_cast<char>(*high * 16 + *low);
      i += 2;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return Status::InvalidArgument("target: control character");
    out.push_back(c);
  }
  return out;
}

// Calls `take` with each piece of `text` between separators.
template <typename Take>
Status Split(std::string_view text, char separator, const Take& take) {
  for (;;) {
    const size_t at = text.find(separator);
    ONCED_RETURN_IF_ERROR(take(text.substr(0, at)));
    if (at == std::string_view::npos) return Status::Ok();
    text.remove_prefix(at + 1);
  }
}

}  // namespace

Result<Target> Target::Parse(std::string_view raw) {
  if (!raw.starts_with('/')) return Status::InvalidArgument("target: must start with '/'");
  Target target;
  target.path_.reserve(4);  // "v1", "keys", the key, "history"
  const size_t mark = raw.find('?');
  ONCED_RETURN_IF_ERROR(Split(raw.substr(1, mark - 1), '/', [&](std::string_view part) {
    Result<std::string> decoded = Decoded(part);
    if (!decoded.ok()) return decoded.status();
    target.path_.push_back(std::move(*decoded));
    return Status::Ok();
  }));
  if (mark == std::string_view::npos || mark + 1 == raw.size()) return target;
  ONCED_RETURN_IF_ERROR(Split(raw.substr(mark + 1), '&', [&](std::string_view part) {
    const size_t equals = part.find('=');
    Result<std::string> name = Decoded(part.substr(0, equals));
    if (!name.ok()) return name.status();
    Result<std::string> value =
        Decoded(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
    if (!value.ok()) return value.status();
    for (const auto& [known, unused] : target.query_) {
      if (known == *name) {
        return Status::InvalidArgument(PrintableName(*name) + ": given more than once");
      }
    }
    target.query_.emplace_back(std::move(*name), std::move(*value));
    return Status::Ok();
  }));
  return target;
}

bool Target::Is(std::string_view pattern) const {
  size_t part = 0;
  const Status same = Split(pattern.substr(1), '/', [&](std::string_view wanted) {
    const bool fits = part < path_.size() && (wanted == "*" || wanted == path_[part]);
    ++part;
    return fits ? Status::Ok() : Status::InvalidArgument("");
  });
  return same.ok() && part == path_.size();
}

void Query::Fail(std::string message) {
  if (!wrong_.has_value()) wrong_ = std::move(message);
}

std::optional<std::string> Query::Text(std::string_view name) {
  known_.emplace_back(name);
  for (const auto& [given, value] : target_.query_) {
    if (given == name) return value;
  }
  return std::nullopt;
}

std::optional<int64_t> Query::Integer(std::string_view name, int64_t least, int64_t most) {
  const std::optional<std::string> text = Text(name);
  if (!text.has_value()) return std::nullopt;
  int64_t value = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size() || value < least ||
      value > most) {
    Fail(std::string(name) + ": must be " + std::to_string(least) + ".." + std::to_string(most));
    return std::nullopt;
  }
  return value;
}

bool Query::Flag(std::string_view name) {
  const std::optional<std::string> text = Text(name);
  if (!text.has_value() || *text == "false" || *text == "0") return false;
  if (*text != "true" && *text != "1" && !text->empty()) {
    Fail(std::string(name) + ": must be true or false");
  }
  return true;
}

Status Query::Finish() {
  for (const auto& [given, value] : target_.query_) {
    if (std::find(known_.begin(), known_.end(), given) == known_.end()) {
      Fail(PrintableName(given) + ": unknown parameter");
    }
  }
  return wrong_.has_value() ? Status::InvalidArgument(*wrong_) : Status::Ok();
}

}  // namespace onced
