// SPDX-License-Identifier: MIT
#include "server/redis/resp_parser.h"

#include "engine/check.h"
#include "server/redis/argument.h"

namespace onced::redis {
namespace {

constexpr size_t kLineMax = size_t{64} << 10;
constexpr size_t kKeptPieces = 1'024;  // room for so many arguments
constexpr int64_t kStrangersArgumentsMax = 10;
constexpr int64_t kStrangersBulkMax = 16'384;

// Where `mark` stands; npos: nowhere yet. Redis looks for it in C strings, so a line in which a NUL
// stands never ends, and grows too long.
size_t EndOfLine(std::string_view input, char mark) {
  const size_t end = input.find(mark);
  const size_t nul = input.substr(0, end).find('\0');
  return nul == input.npos ? end : input.npos;
}

// Between arguments. Of these a vertical tab and a form feed do not end one that has begun.
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool EndsArgument(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char Escaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Takes what stands between double quotes off `line`, from behind the first one.
bool TakeDoubleQuoted(std::string_view* line, std::string* out) {
  while (!line->empty()) {
    const char c = line->front();
    if (line->size() >= 4 && c == '\\' && (*line)[1] == 'x' && HexValue((*line)[2]) >= 0 &&
        HexValue((*line)[3]) >= 0) {
      out->push_back(static_cast<char>(HexValue((*line)[2]) * 16 + HexValue((*line)[3])));
      line->remove_prefix(4);
    } else if (c == '\\' && line->size() >= 2) {
      out->push_back(Escaped((*line)[1]));
      line->remove_prefix(2);
    } else if (c == '"') {
      line->remove_prefix(1);
      return line->empty() || IsSpace(line->front());
    } else {
      out->push_back(c);
      line->remove_prefix(1);
    }
  }
  return false;
}

bool TakeSingleQuoted(std::string_view* line, std::string* out) {
  while (!line->empty()) {
    if (line->starts_with("\\'")) {
      out->push_back('\'');
      line->remove_prefix(2);
    } else if (line->front() == '\'') {
      line->remove_prefix(1);
      return line->empty() || IsSpace(line->front());
    } else {
      out->push_back(line->front());
      line->remove_prefix(1);
    }
  }
  return false;
}

}  // namespace

bool SplitArguments(std::string_view line, std::vector<std::string>* arguments) {
  arguments->clear();
  for (;;) {
    while (!line.empty() && IsSpace(line.front())) line.remove_prefix(1);
    if (line.empty()) return true;
    std::string& argument = arguments->emplace_back();
    while (!line.empty() && !EndsArgument(line.front())) {
      const char c = line.front();
      line.remove_prefix(1);
      if (c == '"') {
        if (!TakeDoubleQuoted(&line, &argument)) return false;
        break;
      }
      if (c == '\'') {
        if (!TakeSingleQuoted(&line, &argument)) return false;
        break;
      }
      argument.push_back(c);
    }
  }
}

void RespParser::ForgetArguments() {
  if (pieces_.capacity() > kKeptPieces) std::vector<std::pair<uint32_t, uint32_t>>().swap(pieces_);
  // A person's lines are few; what is in them stays nowhere.
  if (!unquoted_.empty()) std::vector<std::string>().swap(unquoted_);
  if (arguments_.capacity() > kKeptPieces) std::vector<std::string_view>().swap(arguments_);
}

size_t RespParser::kept_bytes() const {
  return pieces_.capacity() * sizeof(std::pair<uint32_t, uint32_t>) +
         unquoted_.capacity() * sizeof(std::string) +
         arguments_.capacity() * sizeof(std::string_view);
}

RespParser::Progress RespParser::Broken(std::string error) {
  error_ = "Protocol error: " + std::move(error);
  return Progress::kBroken;
}

RespParser::Progress RespParser::Next(std::string_view input, const RespLimits& limits,
                                      size_t* consumed) {
  ONCED_CHECK(input.size() <= UINT32_MAX);
  if (input.empty()) return Progress::kNeedsMore;
  if (!in_array_ && input.front() != '*') return NextInline(input, consumed);
  return NextArray(input, limits, consumed);
}

RespParser::Progress RespParser::NextInline(std::string_view input, size_t* consumed) {
  const size_t end = EndOfLine(input, '\n');
  if (end > kLineMax) {
    return input.size() > kLineMax ? Broken("too big inline request") : Progress::kNeedsMore;
  }
  std::string_view line = input.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!SplitArguments(line, &unquoted_)) return Broken("unbalanced quotes in request");
  *consumed = end + 1;
  if (unquoted_.empty()) return Progress::kNothing;
  arguments_.assign(unquoted_.begin(), unquoted_.end());
  return Progress::kCommand;
}

bool RespParser::ReadHeader(std::string_view input, const char* too_big, int64_t* value,
                            bool* valid) {
  const size_t end = EndOfLine(input.substr(at_), '\r');
  if (end > kLineMax) {
    if (input.size() - at_ > kLineMax) (void)Broken(too_big);
    return false;
  }
  if (at_ + end + 1 >= input.size()) return false;  // Redis skips whatever byte follows
  *valid = ReadInteger(input.substr(at_ + 1, end - 1), value);
  at_ += end + 2;
  return true;
}

RespParser::Progress RespParser::NextArray(std::string_view input, const RespLimits& limits,
                                           size_t* consumed) {
  bool valid = false;
  if (!in_array_) {
    at_ = 0;
    int64_t count = 0;
    if (!ReadHeader(input, "too big mbulk count string", &count, &valid)) {
      return error_.empty() ? Progress::kNeedsMore : Progress::kBroken;
    }
    if (!valid || count > limits.arguments_max) return Broken("invalid multibulk length");
    if (limits.unauthenticated && count > kStrangersArgumentsMax) {
      return Broken("unauthenticated multibulk length");
    }
    if (count <= 0) {
      *consumed = at_;
      return Progress::kNothing;
    }
    in_array_ = true;
    left_ = count;
    bulk_size_ = -1;
    pieces_.clear();
  }
  while (left_ > 0) {
    if (bulk_size_ < 0) {
      if (at_ >= input.size()) return Progress::kNeedsMore;
      const char type = input[at_];
      // Redis looks for the end of the line first.
      int64_t size = 0;
      const size_t begin = at_;
      if (!ReadHeader(input, "too big bulk count string", &size, &valid)) {
        return error_.empty() ? Progress::kNeedsMore : Progress::kBroken;
      }
      if (type != '$') {
        at_ = begin;
        return Broken(std::string("expected '$', got '") + type + "'");
      }
      if (!valid || size < 0 || size > limits.bulk_max) return Broken("invalid bulk length");
      if (limits.unauthenticated && size > kStrangersBulkMax) {
        return Broken("unauthenticated bulk length");
      }
      bulk_size_ = size;
    }
    const auto size = static_cast<size_t>(bulk_size_);
    if (input.size() - at_ < size + 2) return Progress::kNeedsMore;
    pieces_.emplace_back(static_cast<uint32_t>(at_), static_cast<uint32_t>(size));
    at_ += size + 2;
    bulk_size_ = -1;
    --left_;
  }
  arguments_.clear();
  arguments_.reserve(pieces_.size());
  for (const auto& [begin, length] : pieces_) arguments_.push_back(input.substr(begin, length));
  *consumed = at_;
  in_array_ = false;
  return Progress::kCommand;
}

}  // namespace onced::redis
