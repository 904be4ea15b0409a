// SPDX-License-Identifier: MIT
// Status and Result<T>: how an operating fault travels. Nothing else is an error here: a replay, a
// conflict or a stale fence is an Outcome (transition.h), and a bug of ours is an ONCED_CHECK.
//
// Threads: immutable values; copy freely.
// Invariants: a Status that is not ok carries a message that starts with what was being done.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "engine/check.h"

namespace onced {

enum class Fault {
  kInvalidArgument,  // the caller's input; the message names the field. Nothing was changed.
  kCorruption,       // stored data is damaged, missing or of a newer format. Nothing was changed.
  kIoError,          // the disk failed. A write that ends so is UNKNOWN: it may surface later.
  kUnreadable,       // the disk failed in a read. Nothing was changed.
  kUnavailable,      // busy or stalled right now. Nothing was changed; ask again.
  kFull,             // refused, for the disk is (nearly) full. Nothing was changed.
  kNoSpace,          // a write found the disk full, and is UNKNOWN, as after kIoError.
};

class [[nodiscard]] Status {
 public:
  static Status Ok() { return Status(); }
  static Status InvalidArgument(std::string m) { return {Fault::kInvalidArgument, std::move(m)}; }
  static Status Corruption(std::string m) { return {Fault::kCorruption, std::move(m)}; }
  static Status IoError(std::string m) { return {Fault::kIoError, std::move(m)}; }
  static Status Unreadable(std::string m) { return {Fault::kUnreadable, std::move(m)}; }
  static Status Unavailable(std::string m) { return {Fault::kUnavailable, std::move(m)}; }
  static Status Full(std::string m) { return {Fault::kFull, std::move(m)}; }
  static Status NoSpace(std::string m) { return {Fault::kNoSpace, std::move(m)}; }

  bool ok() const { return !fault_.has_value(); }
  // REQUIRES: !ok()
  Fault fault() const {
    ONCED_CHECK(fault_.has_value());
    return *fault_;
  }
  const std::string& message() const { return message_; }

 private:
  Status() = default;
  Status(Fault fault, std::string message) : fault_(fault), message_(std::move(message)) {}

  std::optional<Fault> fault_;
  std::string message_;
};

// A value or the Status that prevented it.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit, so `return value;` reads well
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit, likewise
    ONCED_CHECK(!status_.ok());
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  // REQUIRES: ok()
  T& value() {
    ONCED_CHECK(ok());
    return *value_;
  }
  const T& value() const {
    ONCED_CHECK(ok());
    return *value_;
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }

 private:
  std::optional<T> value_;
  Status status_ = Status::Ok();
};

}  // namespace onced

#define ONCED_RETURN_IF_ERROR(expression)        \
  do {                                           \
    ::onced::Status onced_status = (expression); \
    if (!onced_status.ok()) return onced_status; \
  } while (false)
