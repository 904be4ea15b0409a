// SPDX-License-Identifier: MIT
// Any bytes at all, sent to a whole server over a socket: every request that is framed in them gets
// one well-formed answer, in order; a refusal is the last one; then the connection ends.
//
// The server is the real one, from listener to store, in this process; its clock stands still.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "server/wire/request_parser.h"
#include "tests/door_in_process.h"

namespace onced {
namespace {

void Promise(bool holds, const char* what, const std::string& seen = "") {
  if (holds) return;
  std::fprintf(stderr, "it does not hold that %s: %s\n", what, seen.c_str());
  std::abort();
}

// `text` with each `mark` and two hexadecimal digits as the byte that they mean.
std::string Unescaped(std::string text, std::string_view mark) {
  for (size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) {
    const char* const digits = text.data() + at + mark.size();
    if (at + mark.size() + 2 > text.size()) break;
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
    if (error != std::errc() || end != digits + 2) continue;
    text.replace(at, mark.size() + 2, 1, static_cast<char>(byte));
  }
  return text;
}

bool AsksToWait(const wire::Request& request) {
  return Unescaped(request.target, "%").find("wait_ms") != std::string::npos ||
         Unescaped(request.body, "\\u00").find("wait_ms") != std::string::npos;
}

// What the server must make of the bytes, by the parser's own word.
struct Expected {
  std::vector<std::string> methods;  // one a request that is answered
  std::string refusal;               // the code of the answer after those
  bool may_park = false;             // a client that has finished sending does not wait
  bool may_continue = false;
};

Expected Expect(std::string_view bytes) {
  Expected expected;
  for (bool more = true; more && !bytes.empty();) {
    wire::RequestParser parser{wire::RequestLimits{}};
    size_t consumed = 0;
    const auto progress = parser.Feed(bytes, &consumed);
    expected.may_continue |= parser.head_done() && parser.expects_continue();
    more = progress == wire::RequestParser::Progress::kComplete;
    if (progress == wire::RequestParser::Progress::kRefused) {
      expected.refusal = parser.refusal().code;
    }
    if (!more) break;
    bytes.remove_prefix(consumed);
    const wire::Request request = parser.TakeRequest();
    expected.methods.push_back(request.method);
    expected.may_park |= AsksToWait(request);
    more = request.keep_alive;
  }
  return expected;
}

// libFuzzer's own alarm may interrupt a connect, which then goes on by itself.
bool Connected(int fd, const sockaddr_in& address) {
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  if (errno != EINTR) return false;
  pollfd wanted{.fd = fd, .events = POLLOUT, .revents = 0};
  while (poll(&wanted, 1, 20'000) < 0 && errno == EINTR) {
  }
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

std::string Exchanged(uint16_t port, std::string_view bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  Promise(Connected(fd, address), "the port is open", std::strerror(errno));
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) break;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  shutdown(fd, SHUT_WR);
  std::string all;
  char buffer[16 * 1024];
  for (;;) {
    pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = poll(&wanted, 1, 20'000);
    if (ready < 0 && errno == EINTR) continue;  // by libFuzzer's own alarm
    Promise(ready == 1, "the connection ends in time", all);
    const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EINTR) continue;
    Promise(size >= 0, "it ends in good order", all);
    if (size == 0) break;
    all.append(buffer, static_cast<size_t>(size));
  }
  const linger at_once{.l_onoff = 1, .l_linger = 0};  // no port is left in TIME_WAIT
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
  return all;
}

struct Head {
  int status = 0;
  size_t length = 0;
  bool problem = false;
  bool close = false;
};

// Takes one head off `text`.
Head TakeHead(std::string_view* text) {
  Head head;
  const size_t end = text->find("\r\n\r\n");
  Promise(end != std::string_view::npos && text->starts_with("HTTP/1.1 "), "an answer has a head",
          std::string(text->substr(0, 200)));
  const std::string_view lines = text->substr(0, end + 2);
  std::from_chars(lines.data() + 9, lines.data() + 12, head.status);
  const size_t length = lines.find("\r\nContent-Length: ");
  if (length != std::string_view::npos) {
    std::from_chars(lines.data() + length + 18, lines.data() + lines.size(), head.length);
  }
  Promise((length == std::string_view::npos) == (head.status < 200 || head.status == 204),
          "an answer has a length", std::string(lines));
  head.problem = lines.find("\r\nContent-Type: application/problem+json\r\n") != lines.npos;
  head.close = lines.find("\r\nConnection: close\r\n") != lines.npos;
  for (size_t i = 0; i < lines.size(); ++i) {
    const char c = lines[i];
    const bool crlf = (c == '\r' && lines[i + 1] == '\n') || (c == '\n' && lines[i - 1] == '\r');
    Promise(crlf || (c >= 0x20 && c != 0x7F), "an answer's head is printable", std::string(lines));
  }
  text->remove_prefix(end + 4);
  return head;
}

void CheckAnswers(const Expected& expected, std::string_view text) {
  size_t answers = 0;
  bool refused = false, closed = false;
  while (!text.empty()) {
    Promise(!closed, "nothing follows a last answer", std::string(text.substr(0, 200)));
    const Head head = TakeHead(&text);
    if (head.status == 100) {
      Promise(expected.may_continue, "only who expects it is told to go on");
      continue;
    }
    const bool is_refusal = answers == expected.methods.size();
    Promise(!is_refusal || !expected.refusal.empty(), "nobody is answered who did not ask");
    const bool of_head = !is_refusal && expected.methods[answers] == "HEAD";
    const size_t length = of_head ? 0 : head.length;
    Promise(length <= text.size(), "an answer is whole");
    const std::string body(text.substr(0, length));
    text.remove_prefix(length);
    Promise(head.problem == (head.status >= 400), "a refusal is a problem, and only that", body);
    Promise(head.status != 500, "nothing fails inside", body);
    closed = head.close;
    if (is_refusal) {
      Promise(body.find("\"code\":\"" + expected.refusal + "\"") != body.npos, "it has its code",
              body);
      Promise(closed, "a refusal is the last answer");
      refused = true;
    } else {
      ++answers;
    }
  }
  if (expected.may_park) return;
  Promise(answers == expected.methods.size(), "everyone is answered",
          std::to_string(answers) + " of " + std::to_string(expected.methods.size()));
  Promise(refused == !expected.refusal.empty(), "who is refused is told", expected.refusal);
}

}  // namespace
}  // namespace onced

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static onced::DoorInProcess server(
      [](const std::string& fault) { onced::Promise(false, "no fault", fault); });
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  onced::CheckAnswers(onced::Expect(bytes), onced::Exchanged(server.listener->port(), bytes));
  server.here.clock.Advance(10);
  return 0;
}
