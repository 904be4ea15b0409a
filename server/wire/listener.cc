// SPDX-License-Identifier: MIT
#include "server/wire/listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <exception>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "server/wire/connection.h"

namespace onced::wire {
namespace {

using Tcp = asio::ip::tcp;

constexpr std::chrono::milliseconds kTick{250};
constexpr std::chrono::milliseconds kAcceptPause{50};
// Of those beyond the limit so many are told, at a time; the others are just closed.
size_t TurnedAwayMax(size_t connections_max) {
  return std::min<size_t>(256, connections_max / 4 + 1);
}
// When there is no room a new connection has this long to be a probe, before it is turned away.
constexpr std::chrono::milliseconds kProbeTime{250};
constexpr std::chrono::milliseconds kCutOff{1'000};  // for threads to come back, at a stop

// Calls Tick on every connection of a loop, four times a second. One timer a loop costs nothing;
// one a connection would cost two timer operations a request.
void KeepTicking(Loop& loop, const std::shared_ptr<asio::steady_timer>& timer) {
  timer->expires_after(kTick);
  timer->async_wait([&loop, timer](const asio::error_code& error) {
    if (error) return;
    const auto now = std::chrono::steady_clock::now();
    loop.came_round = now;
    const std::vector<std::shared_ptr<Connection>> all(loop.connections.begin(),
                                                       loop.connections.end());
    for (const std::shared_ptr<Connection>& connection : all) connection->Tick(now);
    KeepTicking(loop, timer);
  });
}

// The edge at which exceptions end: of a library, out of memory. What threw is left to its
// deadline.
void RunToTheEnd(asio::io_context& context) {
  for (bool ended = false; !ended;) {
    try {
      context.run();
      ended = true;
    } catch (const std::exception&) {
    }
  }
}

// A new connection, until its first bytes have come.
struct Arrival {
  Arrival(Tcp::socket s, asio::io_context& context) : socket(std::move(s)), deadline(context) {}

  Tcp::socket socket;
  asio::steady_timer deadline;
};

// Looks at the first bytes without taking them: the path of a GET or HEAD; "": of none, or longer
// than any probe's.
std::string PeekPath(Tcp::socket& socket) {
  std::array<char, 64> bytes{};
  const ssize_t size =
      recv(socket.native_handle(), bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
  const std::string_view seen(bytes.data(), size > 0 ? static_cast<size_t>(size) : 0);
  const size_t begin = seen.find(' ');
  const std::string_view method = seen.substr(0, begin);
  if (method != "GET" && method != "HEAD") return "";
  const size_t end = seen.find_first_of(" ?", begin + 1);
  return end == std::string_view::npos ? "" : std::string(seen.substr(begin + 1, end - begin - 1));
}

}  // namespace

// The door is a loop with a thread of its own. It accepts, keeps a new connection until it speaks,
// and serves it itself when it begins with /livez: that the process lives can be told while the
// disk holds every other thread up. All others are handed on to the loops that serve.
class Listener::Impl {
 public:
  explicit Impl(ListenerOptions options)
      : services_(std::make_shared<Services>(std::move(options))), door_(std::make_shared<Loop>()) {
    size_t threads = services_->options.io_threads;
    if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
    for (size_t i = 0; i < threads; ++i) loops_.push_back(std::make_shared<Loop>());
    door_->is_door = true;
    loops_.push_back(door_);
    acceptor_ = std::make_unique<Tcp::acceptor>(door_->context);
    accept_timer_ = std::make_unique<asio::steady_timer>(door_->context);
  }

  ~Impl() {
    Stop(std::chrono::milliseconds(0));
    for (std::thread& thread : threads_) thread.join();
    // What was cut off has handlers queued, here and on the pool, that hold its connection; they
    // must run, or go, to let go of it.
    services_->pool->Join();
    services_->pool.reset();
    for (const std::shared_ptr<Loop>& loop : loops_) {
      loop->context.restart();
      loop->context.poll();
    }
  }

  Status Adopt(Port& port) {
    port_ = port.number();
    protocol_ = port.is_v6() ? Tcp::v6() : Tcp::v4();
    const int socket = port.Release();
    asio::error_code error;
    acceptor_->assign(protocol_, socket, error);
    if (!error) return Status::Ok();
    close(socket);
    return Status::IoError("listen on port " + std::to_string(port_) + ": " + error.message());
  }

  void Run() {
    for (const std::shared_ptr<Loop>& loop : loops_) {
      KeepTicking(*loop, std::make_shared<asio::steady_timer>(loop->context));
      threads_.emplace_back([this, context = &loop->context] {
        running_.fetch_add(1);
        RunToTheEnd(*context);
        running_.fetch_sub(1);
      });
    }
    asio::post(door_->context, [this] { Accept(); });
  }

  bool Stop(std::chrono::milliseconds patience) {
    if (stopped_) return true;
    stopped_ = true;
    services_->draining = true;
    asio::post(door_->context, [this] {
      asio::error_code ignored;
      acceptor_->close(ignored);
      accept_timer_->cancel();
      for (const std::shared_ptr<Arrival>& arrival : arrivals_) arrival->socket.close(ignored);
    });
    const auto until = std::chrono::steady_clock::now() + patience;
    while (services_->connections > 0 && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const bool finished = services_->connections == 0;
    services_->pool->Refuse();  // what has not begun there never will
    for (const std::shared_ptr<Loop>& loop : loops_) {
      asio::post(loop->context, [loop = loop.get()] {
        const std::vector<std::shared_ptr<Connection>> all(loop->connections.begin(),
                                                           loop->connections.end());
        for (const std::shared_ptr<Connection>& connection : all) connection->Close();
        loop->context.stop();
      });
    }
    const auto end = std::chrono::steady_clock::now() + kCutOff;
    // What is undone of those that were cut off is still done there.
    while ((IsHeldUp() || !services_->pool->idle()) && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    services_->pool->Stop();
    return finished;
  }

  // A thread is still in a handler: on a disk that does not answer, perhaps for ever.
  bool IsHeldUp() const { return running_ > 0 || services_->pool->running() > 0; }

  uint16_t port() const { return port_; }
  std::chrono::milliseconds SinceRound() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 door_->came_round.load());
  }
  ListenerCounts Counts() const {
    return {.connections = services_->connections,
            .parked = services_->parked,
            .requests = services_->requests};
  }

 private:
  void Accept() {
    acceptor_->async_accept(door_->context,
                            [this](const asio::error_code& error, Tcp::socket socket) {
                              if (!acceptor_->is_open() || services_->draining) return;
                              if (error) return AcceptLater();
                              Receive(std::move(socket));
                              Accept();
                            });
  }

  // Out of file descriptors, or a client that gave up in the queue: no reason to stop listening.
  void AcceptLater() {
    accept_timer_->expires_after(kAcceptPause);
    accept_timer_->async_wait([this](const asio::error_code& error) {
      if (!error) Accept();
    });
  }

  void Receive(Tcp::socket socket) {
    const ListenerOptions& options = services_->options;
    const size_t connections = services_->connections + arrivals_.size();
    if (connections >= options.connections_max + TurnedAwayMax(options.connections_max)) return;
    const bool full = connections >= options.connections_max;
    // What TLS hides cannot be looked at: its connections have the handshake's deadline at once.
    if (options.tls != nullptr) return Admit(NextLoop(), std::move(socket), full);
    const auto arrival = std::make_shared<Arrival>(std::move(socket), door_->context);
    arrivals_.insert(arrival);
    arrival->deadline.expires_after(full ? kProbeTime : options.deadlines.idle);
    arrival->deadline.async_wait([this, arrival, full](const asio::error_code& error) {
      if (error || arrivals_.erase(arrival) == 0) return;
      asio::error_code ignored;
      if (full) return Admit(NextLoop(), std::move(arrival->socket), full);
      arrival->socket.close(ignored);
    });
    arrival->socket.async_wait(
        Tcp::socket::wait_read, [this, arrival, full](const asio::error_code& error) {
          if (arrivals_.erase(arrival) == 0) return;
          arrival->deadline.cancel();
          if (error || services_->draining) return;
          const bool stays = services_->options.is_probe(PeekPath(arrival->socket));
          Admit(stays ? door_ : NextLoop(), std::move(arrival->socket), full && !stays);
        });
  }

  const std::shared_ptr<Loop>& NextLoop() { return loops_[next_loop_++ % (loops_.size() - 1)]; }

  void Admit(const std::shared_ptr<Loop>& loop, Tcp::socket socket, bool full) {
    asio::error_code error;
    Tcp::socket moved(loop->context);
    const int descriptor = socket.release(error);
    if (error) return;
    moved.assign(protocol_, descriptor, error);
    if (error) {
      close(descriptor);
      return;
    }
    auto connection = std::make_shared<Connection>(std::move(moved), services_, loop);
    asio::post(loop->context, [connection, full, loop] {
      loop->connections.insert(connection);
      if (full) {
        connection->TurnAway({.code = "overloaded",
                              .detail = "too many connections",
                              .retry_after_s = kRetryAfterS});
      } else {
        connection->Start();
      }
    });
  }

  const std::shared_ptr<Services> services_;
  const std::shared_ptr<Loop> door_;
  std::vector<std::shared_ptr<Loop>> loops_;               // the door is the last
  std::unordered_set<std::shared_ptr<Arrival>> arrivals_;  // the door's thread only
  std::unique_ptr<Tcp::acceptor> acceptor_;
  std::unique_ptr<asio::steady_timer> accept_timer_;
  std::vector<std::thread> threads_;
  std::atomic<int> running_{0};  // of threads_
  size_t next_loop_ = 0;
  uint16_t port_ = 0;
  Tcp protocol_ = Tcp::v4();
  bool stopped_ = false;
};

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::Start(ListenerOptions options) {
  Result<std::unique_ptr<Port>> port = Port::Take(options.host, options.port);
  if (!port.ok()) return port.status();
  return Start(std::move(options), std::move(*port));
}

Result<std::unique_ptr<Listener>> Listener::Start(ListenerOptions options,
                                                  std::unique_ptr<Port> port) {
  auto impl = std::make_unique<Impl>(std::move(options));
  ONCED_RETURN_IF_ERROR(impl->Adopt(*port));
  impl->Run();
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

uint16_t Listener::port() const { return impl_->port(); }
ListenerCounts Listener::Counts() const { return impl_->Counts(); }
bool Listener::Stop(std::chrono::milliseconds patience) { return impl_->Stop(patience); }
std::chrono::milliseconds Listener::SinceRound() const { return impl_->SinceRound(); }
bool Listener::IsHeldUp() const { return impl_->IsHeldUp(); }

}  // namespace onced::wire
