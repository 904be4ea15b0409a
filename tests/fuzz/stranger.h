// SPDX-License-Identifier: MIT
// Stranger: a client that sends any bytes at all, and keeps whatever comes back.
//
// Threads: one.
// Invariants: it reads while its sending is blocked, so that nobody waits for the other for ever,
// and not before, so that the server does meet somebody who does not take what it writes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace onced {

class Stranger {
 public:
  explicit Stranger(uint16_t port);
  ~Stranger();  // with a reset: no port is left in TIME_WAIT
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  // As much of them as the other side takes.
  void Send(std::string_view bytes);
  void FinishSending();
  // Until there are so many bytes, or the connection ends.
  void ReadUpTo(size_t bytes);
  void ReadToEnd();

  const std::string& seen() const { return seen_; }
  std::string TakeSeen() { return std::exchange(seen_, {}); }
  bool was_reset() const { return reset_; }  // instead of an end in good order

 private:
  void Wait(short events, const char* what);
  void ReadSome();

  const int fd_;
  std::string seen_;
  bool ended_ = false;
  bool reset_ = false;
};

}  // namespace onced
