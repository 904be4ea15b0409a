// SPDX-License-Identifier: MIT
// The yardstick of http_bench: cpp-httplib as one would use it, with its own listener, echoing a
// POST. What is set, and why, so that it is not beaten by its defaults alone:
//
//   keep-alive count   without end (the default closes after 5 requests)
//   keep-alive time    60 s, as onced's (the default is 5 s)
//   TCP_NODELAY        on (head and body are two sends; Nagle would hold the second for 40 ms)
//   threads            one a connection it may get, which is its way to serve: 320
//   backlog            1,024 (the default of 5 loses SYNs when wrk connects 256 times at once)
//
// Everything else, above all how it reads, routes and writes, is what the library does.
// Usage: onced_stock_echo; prints its port, then serves 127.0.0.1 until it is killed.
#include <httplib.h>
#include <sys/socket.h>

#include <cstdio>

namespace {

constexpr int kThreads = 320;
constexpr int kBacklog = 1'024;

class EchoServer : public httplib::Server {
 public:
  bool Serve() {
    const int port = bind_to_any_port("127.0.0.1");
    if (port < 0 || listen(svr_sock_, kBacklog) != 0) return false;
    std::printf("listening on 127.0.0.1:%d\n", port);
    std::fflush(stdout);
    return listen_after_bind();
  }

 private:
  static int listen(int socket, int backlog) { return ::listen(socket, backlog); }
};

}  // namespace

int main() {
  EchoServer server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_keep_alive_max_count(1'000'000'000);
  server.set_keep_alive_timeout(60);
  server.set_tcp_nodelay(true);
  server.Post("/echo", [](const httplib::Request& request, httplib::Response& response) {
    response.set_content(request.body, "application/octet-stream");
  });
  return server.Serve() ? 0 : 1;
}
