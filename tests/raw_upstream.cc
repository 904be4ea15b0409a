// SPDX-License-Identifier: MIT
#include "tests/raw_upstream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <ostream>
#include <stdexcept>

namespace onced {
namespace {

constexpr int kPatienceMs = 20'000;

// With a Content-Length of at most what fits a test.
size_t BodyLength(std::string head) {
  std::transform(head.begin(), head.end(), head.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  const std::string name = "\r\ncontent-length: ";
  const size_t at = head.find(name);
  return at == head.npos ? 0 : std::stoul(head.substr(at + name.size()));
}

}  // namespace

bool RawPeer::ReadMore() {
  pollfd waits{.fd = fd_, .events = POLLIN, .revents = 0};
  if (poll(&waits, 1, kPatienceMs) != 1) return false;
  std::array<char, 65'536> bytes;
  const ssize_t count = recv(fd_, bytes.data(), bytes.size(), 0);
  if (count <= 0) return false;
  in_.append(bytes.data(), static_cast<size_t>(count));
  return true;
}

std::string RawPeer::ReadHead() {
  size_t end = 0;
  while ((end = in_.find("\r\n\r\n")) == in_.npos) {
    if (!ReadMore()) return "";
  }
  const std::string head = in_.substr(0, end + 4);
  in_.erase(0, end + 4);
  return head;
}

std::string RawPeer::ReadRequest() {
  std::string request = ReadHead();
  const size_t length = BodyLength(request);
  while (in_.size() < length && ReadMore()) {
  }
  request += in_.substr(0, length);
  in_.erase(0, length);
  return request;
}

std::string RawPeer::ReadSome(size_t most) {
  if (in_.empty()) (void)ReadMore();
  const std::string some = in_.substr(0, most);
  in_.erase(0, some.size());
  return some;
}

bool RawPeer::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

void RawPeer::WaitForEnd() {
  while (ReadMore()) in_.clear();
}

void RawPeer::Reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

RawUpstream::RawUpstream(Serve serve, const std::string& unix_path)
    : serve_(std::move(serve)), unix_path_(unix_path) {
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_in);
  if (unix_path_.empty()) {
    auto* const in = reinterpret_cast<sockaddr_in*>(&address);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    auto* const un = reinterpret_cast<sockaddr_un*>(&address);
    un->sun_family = AF_UNIX;
    std::strncpy(un->sun_path, unix_path_.c_str(), sizeof(un->sun_path) - 1);
    size = sizeof(sockaddr_un);
  }
  listener_ = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 1'024) != 0) {
    throw std::runtime_error("raw upstream: no socket to listen on");
  }
  if (unix_path_.empty()) {
    sockaddr_in bound{};
    size = sizeof(bound);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &size);
    port_ = ntohs(bound.sin_port);
  }
  acceptor_ = std::thread([this] { Accept(); });
}

RawUpstream::~RawUpstream() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    for (const int fd : fds_) {
      if (fd >= 0) shutdown(fd, SHUT_RDWR);
    }
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void RawUpstream::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    MutexLock lock(mutex_);
    const size_t number = fds_.size();
    fds_.push_back(fd);
    threads_.emplace_back([this, fd, number] {
      RawPeer peer(fd, number);
      serve_(peer);
      MutexLock closing(mutex_);
      fds_[number] = -1;
      close(fd);
    });
  }
}

size_t RawUpstream::connections() const {
  MutexLock lock(mutex_);
  return fds_.size();
}

std::shared_ptr<const Origin> RawUpstream::origin(const std::string& scheme) const {
  return std::make_shared<const Origin>(
      Value(Origin::Parse(unix_path_.empty() ? scheme + "://127.0.0.1:" + std::to_string(port_)
                                             : "unix:" + unix_path_)));
}

RawUpstream::Serve AnswerWith(std::string answer) {
  return [answer = std::move(answer)](RawPeer& peer) {
    while (!peer.ReadRequest().empty()) {
      if (!peer.Send(answer)) return;
    }
  };
}

std::string Ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

void Heard::OnHead(int new_status, HeaderList new_headers, int64_t new_length) {
  MutexLock lock(mutex_);
  ++heads;
  status = new_status;
  headers = std::move(new_headers);
  length = new_length;
}

bool Heard::OnBody(std::string_view bytes) {
  MutexLock lock(mutex_);
  body.append(bytes);
  return true;
}

void Heard::OnEnd(CallEnd end, std::string new_why) {
  MutexLock lock(mutex_);
  ++ends;
  why = std::move(new_why);
  end_ = end;
  ended_ = true;
  changed_.NotifyAll();
}

CallEnd Heard::End() {
  MutexLock lock(mutex_);
  while (!ended_) {
    if (!changed_.WaitFor(mutex_, std::chrono::milliseconds(kPatienceMs)) && !ended_) {
      throw std::runtime_error("the call does not end");
    }
  }
  return end_;
}

bool Heard::ended() {
  MutexLock lock(mutex_);
  return ended_;
}

UpstreamRequest To(std::shared_ptr<const Origin> origin, const std::string& method,
                   const std::string& body) {
  return {.origin = std::move(origin), .method = method, .target = "/pay?x=%2F..", .body = body};
}

std::shared_ptr<Heard> UpstreamCaller::Call(UpstreamRequest request) {
  auto heard = std::make_shared<Heard>();
  upstreams_->Call(std::move(request), heard);
  return heard;
}

void PrintTo(CallEnd end, std::ostream* out) {
  *out << (end == CallEnd::kNotSent ? "not sent" : end == CallEnd::kWhole ? "whole" : "unknown");
}

}  // namespace onced
