// SPDX-License-Identifier: MIT
#include "server/wire/request_host.h"

#include <httplib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "engine/check.h"
#include "server/wire/problem.h"

namespace onced::wire {
namespace {

// A request that is already here, and a response that is gathered.
class MemoryStream : public httplib::Stream {
 public:
  MemoryStream(std::string_view in, std::string* out) : in_(in), out_(out) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* ptr, size_t size) override {
    const size_t n = std::min(size, in_.size());
    std::memcpy(ptr, in_.data(), n);
    in_.remove_prefix(n);
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* ptr, size_t size) override {
    out_->append(ptr, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  socket_t socket() const override { return -1; }

 private:
  std::string_view in_;
  std::string* const out_;
};

// All that the library is told of a request: the rest is with the Exchange, unchanged. It would
// percent-decode header values (and let CR and LF in), act on Range, Accept-Encoding and Expect by
// itself, take REMOTE_ADDR for the peer, and answer with an empty 400 a method, a query or a line
// that it does not like.
std::string RequestLine(const Request& request) {
  constexpr std::array<std::string_view, 7> kMethods = {"GET",    "POST",  "HEAD",   "PUT",
                                                        "DELETE", "PATCH", "OPTIONS"};
  const bool known = std::find(kMethods.begin(), kMethods.end(), request.method) != kMethods.end();
  std::string line(known ? request.method : "GET");
  line.append(" ").append(request.target, 0, request.target.find('?'));
  return line.append(" HTTP/1.1\r\n\r\n");
}

// The library is told that each request is its connection's last (its stream ends there): the words
// it has for the other case go through a stringstream, and the connection is not its own anyway.
// Its header is replaced by what every response carries; one splice costs a tenth of setting them.
constexpr std::string_view kTheirs = "\r\nConnection: close\r\n";
constexpr std::string_view kOurs =
    "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
constexpr std::string_view kOursAndLast =
    "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n";
constexpr size_t kUsualBytes = 768;

// The exchange whose request this thread is running; cpp-httplib has no place to carry it.
thread_local Exchange* current_exchange = nullptr;

}  // namespace

class RequestHost::Server : public httplib::Server {
 public:
  explicit Server(wire::Handler handler) {
    set_pre_routing_handler([handler = std::move(handler)](const httplib::Request& request,
                                                           httplib::Response& response) {
      ONCED_CHECK(current_exchange != nullptr);
      handler(request, response, *current_exchange);
      return HandlerResponse::Handled;
    });
    // The library would put what() into a header for all the world to read.
    set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
          const Problem problem{.code = "internal_error",
                                .detail = "the request failed; its outcome is unknown"};
          response.status = StatusOf(problem);
          response.set_content(ProblemJson(problem), kProblemType);
        });
  }

  std::string Run(Exchange& exchange, bool last) {
    const std::string head = RequestLine(exchange.request());
    std::string out;
    out.reserve(kUsualBytes);
    MemoryStream stream(head, &out);
    bool closed = false;
    current_exchange = &exchange;
    Process(*this, stream, closed);
    current_exchange = nullptr;
    if (exchange.parked_for().has_value()) return {};
    const size_t theirs = out.find(kTheirs);
    ONCED_CHECK(theirs != std::string::npos);
    out.replace(theirs, kTheirs.size(), last ? kOursAndLast : kOurs);
    DropLengthOfNoContent(&out);
    return out;
  }

 private:
  // Debian 12 has 0.11.4, Debian 13 has 0.18, where the peer's address is an argument. A template,
  // so that only the call that exists is looked up.
  template <typename Self>
  static void Process(Self& self, httplib::Stream& stream, bool& closed) {
    const auto set_up = [](httplib::Request&) {};
    if constexpr (requires { self.process_request(stream, true, closed, set_up); }) {
      self.process_request(stream, true, closed, set_up);
    } else {
      self.process_request(stream, "", 0, "", 0, true, closed, set_up);
    }
  }

  // RFC 9110 8.6: a 204 has no Content-Length; the library writes one.
  static void DropLengthOfNoContent(std::string* out) {
    constexpr std::string_view kLength = "Content-Length: 0\r\n";
    if (!out->starts_with("HTTP/1.1 204 ")) return;
    const size_t at = out->find(kLength);
    if (at != std::string::npos) out->erase(at, kLength.size());
  }
};

RequestHost::RequestHost(Handler handler) : server_(std::make_unique<Server>(std::move(handler))) {}
RequestHost::~RequestHost() = default;

std::string RequestHost::Run(Exchange& exchange, bool last) { return server_->Run(exchange, last); }

}  // namespace onced::wire
