// SPDX-License-Identifier: MIT
#include "bench/resp_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "bench/child.h"
#include "bench/loopback.h"

namespace onced::bench {
namespace {

constexpr int kPatienceSeconds = 60;

}  // namespace

std::string Resp(const std::vector<std::string>& words) {
  std::string bytes = "*";
  bytes.append(std::to_string(words.size())).append("\r\n");
  for (const std::string& word : words) {
    bytes.append("$").append(std::to_string(word.size())).append("\r\n");
    bytes.append(word).append("\r\n");
  }
  return bytes;
}

std::string KeyOf(const std::string& prefix, int64_t number) {
  const std::string digits = std::to_string(number);
  return prefix + std::string(12 - std::min<size_t>(12, digits.size()), '0') + digits;
}

std::string ValueOf(int64_t number) {
  constexpr size_t kSize = 100;
  std::string value;
  for (uint64_t state = static_cast<uint64_t>(number) + 1; value.size() < kSize;) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    for (int shift = 28; shift < 64; shift += 6) {
      value += static_cast<char>('0' + (state >> shift & 63));
    }
  }
  value.resize(kSize);
  return value;
}

RespClient::RespClient(int port) : fd_(ConnectTo(port)) {
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

RespClient::~RespClient() {
  if (fd_ >= 0) close(fd_);
}

void RespClient::Send(const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t size = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size <= 0) Fail("a server of the Redis protocol takes nothing more");
    sent += static_cast<size_t>(size);
  }
}

void RespClient::ReceiveMore() {
  in_.erase(0, at_);
  at_ = 0;
  std::array<char, 65536> bytes;
  const ssize_t size = recv(fd_, bytes.data(), bytes.size(), 0);
  if (size <= 0) Fail("a server of the Redis protocol does not answer");
  in_.append(bytes.data(), static_cast<size_t>(size));
}

std::string RespClient::Receive(size_t size) {
  while (in_.size() - at_ < size) ReceiveMore();
  at_ += size;
  return in_.substr(at_ - size, size);
}

std::string RespClient::ReceiveLine() {
  size_t end = 0;
  while ((end = in_.find("\r\n", at_)) == std::string::npos) ReceiveMore();
  std::string line = in_.substr(at_, end - at_);
  at_ = end + 2;
  return line;
}

std::vector<std::string> RespClient::Ask(const std::vector<std::string>& words) {
  Send(Resp(words));
  std::vector<std::string> strings;
  for (int64_t left = 1; left > 0; --left) {
    const std::string line = ReceiveLine();
    const int64_t number = std::atoll(line.c_str() + 1);
    if (line[0] == '*') {
      left += std::max<int64_t>(number, 0);
    } else if (line[0] == '$') {
      strings.push_back(number < 0 ? "" : Receive(static_cast<size_t>(number)));
      if (number >= 0) Receive(2);
    } else {
      strings.push_back(line[0] == '-' ? line : line.substr(1));
    }
  }
  return strings;
}

void RespClient::SetKeys(const std::string& prefix, int64_t from, int64_t to) {
  constexpr int64_t kAtOnce = 1'000;
  constexpr std::chrono::milliseconds kPause{50};
  for (int64_t begin = from; begin < to; begin += kAtOnce) {
    const int64_t end = std::min(begin + kAtOnce, to);
    std::string commands;
    for (int64_t number = begin; number < end; ++number) {
      commands += Resp({"SET", KeyOf(prefix, number), ValueOf(number)});
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
    // A storage that is behind with its compactions says so, and has written nothing.
    for (std::string error = "-"; !error.empty();) {
      Send(commands);
      error.clear();
      for (int64_t number = begin; number < end; ++number) {
        if (std::string line = ReceiveLine(); line != "+OK") error = std::move(line);
      }
      if (error.empty()) break;
      if (!error.starts_with("-MISCONF") || std::chrono::steady_clock::now() > until) {
        Fail("a key cannot be set: " + error);
      }
      ++refused_;
      std::this_thread::sleep_for(kPause);
    }
  }
}

void RespClient::GetKeys(const std::string& prefix, int64_t from, int64_t to, int64_t count,
                         const Visit& visit) {
  constexpr size_t kAtOnce = 1'000;
  const int64_t step = count < to - from ? (to - from) / count : 1;
  for (int64_t last = to - 1; last >= from;) {
    std::vector<int64_t> numbers;
    std::vector<std::string> words = {"MGET"};
    for (; last >= from && numbers.size() < kAtOnce; last -= step) {
      numbers.push_back(last);
      words.push_back(KeyOf(prefix, last));
    }
    const std::vector<std::string> values = Ask(words);
    for (size_t i = 0; i < numbers.size(); ++i) {
      visit(numbers[i], i < values.size() ? values[i] : std::string());
    }
  }
}

void RespClient::CheckKeys(const std::string& prefix, int64_t from, int64_t to, int64_t count) {
  GetKeys(prefix, from, to, count, [&](int64_t number, const std::string& value) {
    if (value != ValueOf(number)) Fail("wrong value of " + KeyOf(prefix, number) + ": " + value);
  });
}

int64_t RespClient::CountKeys(const std::string& prefix) {
  int64_t count = 0;
  for (std::string cursor = "0";;) {
    const std::vector<std::string> page =
        Ask({"SCAN", cursor, "MATCH", prefix + "*", "COUNT", "1000"});
    cursor = page.front();
    if (cursor[0] == '-') Fail("the keys cannot be counted: " + cursor);
    count += static_cast<int64_t>(page.size()) - 1;
    if (cursor == "0") return count;
  }
}

int64_t RespClient::Info(const std::string& section, const std::string& name) {
  return static_cast<int64_t>(NumberAfter(Ask({"INFO", section}).front(), name + ":"));
}

}  // namespace onced::bench
