// SPDX-License-Identifier: MIT
#include "server/gateway/request_head.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "server/wire/field_syntax.h"

namespace onced {
namespace {

using wire::IsToken;
using wire::SameName;

// Bytes above 0x7F pass: they are sent as they came.
bool IsTarget(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '\x7F';
  });
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t") == text.npos; }

Status Check(const UpstreamRequest& request) {
  if (!IsToken(request.method) || request.method == "CONNECT") {
    return Status::InvalidArgument("upstream call: the method cannot be sent");
  }
  if (!IsTarget(request.target)) {
    return Status::InvalidArgument("upstream call: the target cannot be sent");
  }
  for (const auto& [name, value] : request.headers) {
    if (!IsToken(name)) {
      return Status::InvalidArgument("upstream call: a header has no name that can be sent");
    }
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != value.npos) {
      return Status::InvalidArgument("upstream call: header " + name + " has a CR, LF or NUL");
    }
    for (const char* ours : {"Host", "Content-Length", "Transfer-Encoding"}) {
      if (SameName(name, ours)) {
        return Status::InvalidArgument("upstream call: header " + name + " is not the caller's");
      }
    }
  }
  return Status::Ok();
}

// What libcurl would add by itself; a line without a value forbids it.
constexpr std::string_view kNotByItself[] = {"Expect", "Accept", "Content-Type"};

}  // namespace

RequestHead::RequestHead() = default;
RequestHead::~RequestHead() = default;
RequestHead::RequestHead(RequestHead&&) noexcept = default;
RequestHead& RequestHead::operator=(RequestHead&&) noexcept = default;

Result<RequestHead> RequestHead::Make(const UpstreamRequest& request) {
  ONCED_RETURN_IF_ERROR(Check(request));
  constexpr size_t kAround = sizeof(": ");  // and the NUL
  size_t bytes = request.origin->authority.size() + 4 + kAround;
  for (const std::string_view name : kNotByItself) bytes += name.size() + kAround;
  for (const auto& [name, value] : request.headers) bytes += name.size() + value.size() + kAround;
  const size_t lines = 1 + std::size(kNotByItself) + request.headers.size();

  RequestHead head;
  head.bytes_ = std::make_unique<char[]>(bytes);
  head.list_ = std::make_unique<curl_slist[]>(lines);
  head.Add("Host", request.origin->authority);
  bool given[std::size(kNotByItself)] = {};
  for (const auto& [name, value] : request.headers) {
    if (SameName(name, "Expect")) continue;
    for (size_t i = 0; i < std::size(kNotByItself); ++i) {
      given[i] = given[i] || SameName(name, kNotByItself[i]);
    }
    head.Add(name, value);
  }
  for (size_t i = 0; i < std::size(kNotByItself); ++i) {
    if (given[i]) continue;
    head.Add(kNotByItself[i], "");
    *std::strrchr(head.list_[head.count_ - 1].data, ';') = ':';
  }
  return head;
}

// libcurl sends "Name: value" as it is, makes "Name:" of "Name;", and takes "Name:" for "not that".
void RequestHead::Add(std::string_view name, std::string_view value) {
  char* const line = bytes_.get() + used_;
  char* end = std::copy(name.begin(), name.end(), line);
  if (IsBlank(value)) {
    *end++ = ';';
  } else {
    *end++ = ':';
    *end++ = ' ';
    end = std::copy(value.begin(), value.end(), end);
  }
  *end++ = '\0';
  used_ = static_cast<size_t>(end - bytes_.get());
  list_[count_] = {.data = line, .next = nullptr};
  if (count_ > 0) list_[count_ - 1].next = &list_[count_];
  ++count_;
}

}  // namespace onced
