// SPDX-License-Identifier: MIT
#include "tests/scripted_upstream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "server/wire/request_parser.h"

namespace onced {
namespace {

constexpr uint64_t kKeptBodyMax = uint64_t{4} << 20;

std::string PathOf(std::string_view target) {
  return std::string(target.substr(0, target.find('?')));
}

// Name and value of every line; as lenient as it can be, since the test compares the bytes.
Headers LinesOf(std::string_view head) {
  Headers headers;
  size_t at = head.find("\r\n");
  while (at != std::string_view::npos) {
    const size_t end = head.find("\r\n", at + 2);
    if (end == std::string_view::npos) break;
    const std::string_view line = head.substr(at + 2, end - at - 2);
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos) {
      std::string_view value = line.substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      headers.emplace_back(line.substr(0, colon), value);
    }
    at = end;
  }
  return headers;
}

}  // namespace

void Latch::Open() {
  MutexLock lock(mutex_);
  open_ = true;
  changed_.NotifyAll();
}

void Latch::Pass() {
  MutexLock lock(mutex_);
  ++reached_;
  changed_.NotifyAll();
  while (!open_) changed_.Wait(mutex_);
}

bool Latch::Reached(size_t count) {
  return Eventually([&] {
    MutexLock lock(mutex_);
    return reached_ >= count;
  });
}

std::shared_ptr<Latch> MakeLatch() { return std::make_shared<Latch>(); }

Script& Script::Send(std::string bytes) { return SendTimes(1, std::move(bytes)); }
Script& Script::SendTimes(uint64_t times, std::string piece) {
  steps_.push_back(
      {.kind = Step::Kind::kSend, .bytes = std::move(piece), .times = times, .latch = nullptr});
  return *this;
}
Script& Script::Wait(std::shared_ptr<Latch> latch) {
  steps_.push_back({.kind = Step::Kind::kWait, .bytes = "", .latch = std::move(latch)});
  return *this;
}
Script& Script::Close() {
  steps_.push_back({.kind = Step::Kind::kClose, .bytes = "", .latch = nullptr});
  return *this;
}
Script& Script::Reset() {
  steps_.push_back({.kind = Step::Kind::kReset, .bytes = "", .latch = nullptr});
  return *this;
}
Script& Script::BeforeBody() {
  before_body_ = true;
  return *this;
}

std::string AnswerText(int status, const std::string& body, const Headers& headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " Said\r\n";
  for (const auto& [name, value] : headers) {
    text.append(name).append(": ").append(value).append("\r\n");
  }
  const bool bodiless = status < 200 || status == 204 || status == 304;
  if (!bodiless) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + (bodiless ? "" : body);
}

Script Answer(int status, const std::string& body, const Headers& headers) {
  return Script().Send(AnswerText(status, body, headers));
}

std::string Seen::Header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (wire::SameName(known, name)) return value;
  }
  return "";
}

size_t Seen::Count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(), [&](const auto& line) {
    return wire::SameName(line.first, name);
  }));
}

ScriptedUpstream::ScriptedUpstream(uint16_t port)
    : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  const int yes = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      listen(listener_, SOMAXCONN) != 0) {
    close(listener_);
    throw std::runtime_error("an upstream cannot listen on " + std::to_string(port));
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptedUpstream::~ScriptedUpstream() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    for (const std::shared_ptr<Latch>& latch : latches_) latch->Open();
    for (const Connection& connection : connections_) shutdown(connection.fd, SHUT_RDWR);
  }
  shutdown(listener_, SHUT_RDWR);  // which ends accept()
  acceptor_.join();
  close(listener_);
  for (std::thread& thread : threads_) thread.join();
}

std::string ScriptedUpstream::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

void ScriptedUpstream::On(const std::string& path, Script script) {
  MutexLock lock(mutex_);
  for (const Script::Step& step : script.steps_) {
    if (step.latch != nullptr) latches_.push_back(step.latch);
  }
  always_[path] = std::move(script);
}

void ScriptedUpstream::Once(const std::string& path, Script script) {
  MutexLock lock(mutex_);
  for (const Script::Step& step : script.steps_) {
    if (step.latch != nullptr) latches_.push_back(step.latch);
  }
  next_[path].push_back(std::move(script));
}

std::vector<Seen> ScriptedUpstream::requests() const {
  MutexLock lock(mutex_);
  return seen_;
}

Seen ScriptedUpstream::last() const {
  MutexLock lock(mutex_);
  return seen_.empty() ? Seen() : seen_.back();
}

size_t ScriptedUpstream::hits() const {
  MutexLock lock(mutex_);
  return seen_.size();
}

size_t ScriptedUpstream::HitsOfPath(std::string_view path) const {
  MutexLock lock(mutex_);
  return static_cast<size_t>(std::count_if(
      seen_.begin(), seen_.end(), [&](const Seen& seen) { return PathOf(seen.target) == path; }));
}

size_t ScriptedUpstream::HitsOfKey(std::string_view key) const {
  MutexLock lock(mutex_);
  return static_cast<size_t>(std::count_if(seen_.begin(), seen_.end(), [&](const Seen& seen) {
    return seen.Header("Idempotency-Key") == key;
  }));
}

bool ScriptedUpstream::Hit(size_t count) const {
  return Eventually([&] { return hits() >= count; });
}

size_t ScriptedUpstream::connections() const {
  MutexLock lock(mutex_);
  return connections_.size();
}

size_t ScriptedUpstream::ended() const {
  MutexLock lock(mutex_);
  return ended_;
}

void ScriptedUpstream::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    MutexLock lock(mutex_);
    Connection& connection = connections_.emplace_back();
    connection.fd = fd;
    if (ending_) shutdown(fd, SHUT_RDWR);
    threads_.emplace_back([this, &connection] { Serve(&connection); });
  }
}

void ScriptedUpstream::Serve(Connection* connection) {
  while (ServeOne(connection)) {
  }
  // To close it with input unread would be a reset: what was sent might never be read.
  shutdown(connection->fd, SHUT_WR);
  {
    MutexLock lock(mutex_);
    ++ended_;
  }
  while (ReadMore(connection)) connection->in.clear();
  End(connection, /*reset=*/false);
}

bool ScriptedUpstream::ServeOne(Connection* connection) {
  Seen seen;
  if (!ReadHead(connection, &seen)) return false;
  size_t at = 0;
  const Script script = Begin(seen, &at);
  if (!script.before_body_) {
    const bool whole = ReadBody(connection, &seen);
    MutexLock lock(mutex_);
    seen_[at] = seen;
    if (!whole) return false;
  }
  return Play(connection, script);
}

bool ScriptedUpstream::ReadMore(Connection* connection) {
  char buffer[64 * 1024];
  const ssize_t size = recv(connection->fd, buffer, sizeof buffer, 0);
  if (size <= 0) return false;
  connection->in.append(buffer, static_cast<size_t>(size));
  return true;
}

bool ScriptedUpstream::ReadHead(Connection* connection, Seen* seen) {
  std::string& in = connection->in;
  size_t end = std::string::npos;
  while ((end = in.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore(connection)) {
      if (in.empty()) return false;
      end = in.size();  // what is no request is kept as well, with no method
      break;
    }
  }
  seen->head = in.substr(0, end + 4);
  in.erase(0, end + 4);
  const std::string_view line = std::string_view(seen->head).substr(0, seen->head.find("\r\n"));
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first != std::string_view::npos && last > first) {
    seen->method = line.substr(0, first);
    seen->target = line.substr(first + 1, last - first - 1);
  }
  seen->headers = LinesOf(seen->head);
  return true;
}

// Moves `count` bytes of the body to `seen`.
bool ScriptedUpstream::Take(Connection* connection, uint64_t count, Seen* seen) {
  std::string& in = connection->in;
  while (count > 0) {
    if (in.empty() && !ReadMore(connection)) return false;
    const size_t part = static_cast<size_t>(std::min<uint64_t>(count, in.size()));
    const uint64_t room = kKeptBodyMax - std::min<uint64_t>(kKeptBodyMax, seen->body.size());
    seen->body.append(in, 0, static_cast<size_t>(std::min<uint64_t>(part, room)));
    seen->body_bytes += part;
    in.erase(0, part);
    count -= part;
  }
  return true;
}

bool ScriptedUpstream::ReadBody(Connection* connection, Seen* seen) {
  if (seen->Header("Transfer-Encoding") == "chunked") return ReadChunks(connection, seen);
  uint64_t length = 0;
  const std::string stated = seen->Header("Content-Length");
  std::from_chars(stated.data(), stated.data() + stated.size(), length);
  return Take(connection, length, seen);
}

bool ScriptedUpstream::ReadChunks(Connection* connection, Seen* seen) {
  std::string& in = connection->in;
  for (;;) {
    size_t end = std::string::npos;
    while ((end = in.find("\r\n")) == std::string::npos) {
      if (!ReadMore(connection)) return false;
    }
    uint64_t size = 0;
    std::from_chars(in.data(), in.data() + end, size, 16);
    in.erase(0, end + 2);
    if (!Take(connection, size, seen)) return false;
    while (in.size() < 2) {  // the line end of the chunk, or of the trailer
      if (!ReadMore(connection)) return false;
    }
    in.erase(0, 2);
    if (size == 0) return true;
  }
}

Script ScriptedUpstream::Begin(const Seen& seen, size_t* at) {
  const std::string path = PathOf(seen.target);
  MutexLock lock(mutex_);
  *at = seen_.size();
  seen_.push_back(seen);
  if (const auto next = next_.find(path); next != next_.end() && !next->second.empty()) {
    Script script = std::move(next->second.front());
    next->second.pop_front();
    return script;
  }
  if (const auto always = always_.find(path); always != always_.end()) return always->second;
  const auto hit = std::count_if(seen_.begin(), seen_.end(), [&](const Seen& earlier) {
    return PathOf(earlier.target) == path;
  });
  const std::string body = seen.method + " " + seen.target + " " + std::to_string(hit) + "\n";
  std::string text = AnswerText(200, body, {{"Content-Type", "text/plain"}});
  if (seen.method == "HEAD") text.resize(text.size() - body.size());
  return Script().Send(text);
}

bool ScriptedUpstream::Play(Connection* connection, const Script& script) {
  for (const Script::Step& step : script.steps_) {
    switch (step.kind) {
      case Script::Step::Kind::kSend:
        for (uint64_t i = 0; i < step.times; ++i) {
          if (!Send(*connection, step.bytes)) return false;
        }
        break;
      case Script::Step::Kind::kWait:
        step.latch->Pass();
        break;
      case Script::Step::Kind::kClose:
        return false;
      case Script::Step::Kind::kReset:
        End(connection, /*reset=*/true);
        return false;
    }
  }
  return true;
}

bool ScriptedUpstream::Send(const Connection& connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void ScriptedUpstream::End(Connection* connection, bool reset) {
  MutexLock lock(mutex_);
  if (connection->fd < 0) return;
  if (reset) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  close(std::exchange(connection->fd, -1));
}

}  // namespace onced
