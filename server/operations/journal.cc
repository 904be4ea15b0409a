// SPDX-License-Identifier: MIT
#include "server/operations/journal.h"

#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/sink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <utility>

#include "engine/mutex.h"
#include "server/wire/wall_time.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kQueueLines = 2'048;       // of half a kilobyte each, and what is longer more
constexpr milliseconds kLastPatience{250};  // what a process that ends gives its last words
constexpr milliseconds kLook{50};           // for a writer to see that the process ends

// Waits until the other side takes something. A pipe that does takes a whole line: it is no longer
// than PIPE_BUF. Of what others write into the same pipe at the same moment nothing can be known.
bool AwaitRoom(int fd, steady_clock::time_point until) {
  const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
  pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
  const int ready = poll(&room, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
  return ready == 1 && (room.revents & POLLOUT) != 0;
}

}  // namespace

// spdlog's queue and thread, and the sink at its end.
class Journal::Writer {
 public:
  Writer(LogFormat format, int fd)
      : pool_(std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1)),
        sink_(std::make_shared<Stderr>(format, fd, pool_)),
        logger_(std::make_shared<spdlog::async_logger>(
            "onced", sink_, pool_, spdlog::async_overflow_policy::overrun_oldest)) {
    logger_->set_level(spdlog::level::trace);
    logger_->set_error_handler([](const std::string&) {});  // it would print, at a time of its own
  }

  ~Writer() {
    sink_->EndBy(steady_clock::now() + kLastPatience);
    if (AwaitEmpty(2 * kLastPatience)) return;
    // It hangs in a write after all: its thread is left to the end of the process.
    // It keeps all that it uses.
    static auto* const left_behind =
        new (std::nothrow) std::shared_ptr<spdlog::details::thread_pool>(pool_);
    (void)left_behind;
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Add(const std::string& text) {
    added_.fetch_add(1);
    logger_->log(spdlog::level::info, spdlog::string_view_t(text.data(), text.size()));
  }
  void WriteNow(const std::string& text) {
    Add(text);
    (void)AwaitEmpty(2 * kLastPatience);
  }

 private:
  class Stderr : public spdlog::sinks::sink {
   public:
    Stderr(LogFormat format, int fd, std::weak_ptr<spdlog::details::thread_pool> pool)
        : format_(format), fd_(fd), pool_(std::move(pool)) {
      struct stat kind {};
      is_socket_ = fstat(fd, &kind) == 0 && S_ISSOCK(kind.st_mode);
    }

    // The writer's thread.
    void log(const spdlog::details::log_msg& message) override {
      std::string line(message.payload.data(), message.payload.size());
      line += '\n';
      Wrote wrote = Wrote::kNothing;
      do {
        wrote = Write(line, std::min(Until(), steady_clock::now() + kLook));
      } while (wrote == Wrote::kNothing && steady_clock::now() < Until());
      if (wrote == Wrote::kAll) {
        TellLost();
      } else {
        ++lost_;
      }
      MutexLock lock(mutex_);
      ++handled_;
      moved_.NotifyAll();
    }
    void flush() override {}
    void set_pattern(const std::string&) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

    enum class Wrote : uint8_t {
      kAll,
      kNothing,  // nobody took it by then
      kNever,    // nobody ever will, or only half of it was taken
    };
    // The writer's thread.
    Wrote Write(std::string_view line, steady_clock::time_point until) {
      if (torn_) {
        if (const Wrote ended = Put("\n", until); ended != Wrote::kAll) return ended;
      }
      return Put(line, until);
    }
    Wrote Put(std::string_view line, steady_clock::time_point until) {
      const size_t whole = line.size();
      while (!line.empty()) {
        if (!AwaitRoom(fd_, until)) {
          return line.size() == whole && !IsBroken() ? Wrote::kNothing : Wrote::kNever;
        }
        // No more at a time than a pipe with room takes without waiting.
        const size_t some = std::min(line.size(), kLogLineMax);
        const ssize_t size = is_socket_ ? send(fd_, line.data(), some, MSG_DONTWAIT | MSG_NOSIGNAL)
                                        : write(fd_, line.data(), some);
        if (size >= 0) {
          line.remove_prefix(static_cast<size_t>(size));
          if (size > 0) torn_ = !line.empty();
        } else if (errno != EINTR && errno != EAGAIN) {
          return Wrote::kNever;
        }
      }
      return Wrote::kAll;
    }

    void EndBy(steady_clock::time_point until) { until_ns_ = until.time_since_epoch().count(); }
    bool AwaitHandled(const std::function<bool(uint64_t)>& enough, milliseconds patience) {
      const auto until = steady_clock::now() + patience;
      MutexLock lock(mutex_);
      while (!enough(handled_)) {
        if (steady_clock::now() >= until) return false;
        moved_.WaitFor(mutex_, milliseconds(10));
      }
      return true;
    }

   private:
    steady_clock::time_point Until() const {
      return steady_clock::time_point(steady_clock::duration(until_ns_.load()));
    }
    bool IsBroken() const {
      pollfd state{.fd = fd_, .events = 0, .revents = 0};
      return poll(&state, 1, 0) == 1;
    }
    void TellLost() {
      const std::shared_ptr<spdlog::details::thread_pool> pool = pool_.lock();
      const uint64_t lost = lost_ + (pool == nullptr ? 0 : pool->overrun_counter());
      if (lost <= told_) return;
      const std::string text =
          LogText({.event = LogEvent::kLinesDropped,
                   .msg = std::to_string(lost - told_) + " lines were dropped: nobody took them"},
                  format_, wire::UnixUs());
      if (Write(text + "\n", std::min(Until(), steady_clock::now() + kLook)) == Wrote::kAll) {
        told_ = lost;
      }
    }

    const LogFormat format_;
    const int fd_;
    const std::weak_ptr<spdlog::details::thread_pool> pool_;
    bool is_socket_ = false;
    std::atomic<int64_t> until_ns_{steady_clock::time_point::max().time_since_epoch().count()};
    uint64_t lost_ = 0;  // the writer's thread only
    uint64_t told_ = 0;
    bool torn_ = false;  // what went out last is a part of a line
    Mutex mutex_;
    CondVar moved_;
    uint64_t handled_ GUARDED_BY(mutex_) = 0;
  };

  bool AwaitEmpty(milliseconds patience) {
    return sink_->AwaitHandled(
        [this](uint64_t handled) { return handled + pool_->overrun_counter() >= added_.load(); },
        patience);
  }

  // Gone first, with all that still stands in it.
  const std::shared_ptr<spdlog::details::thread_pool> pool_;
  const std::shared_ptr<Stderr> sink_;
  const std::shared_ptr<spdlog::async_logger> logger_;
  std::atomic<uint64_t> added_{0};
};

Journal::Journal(LogFormat format, LogLevel least, int fd)
    : format_(format != LogFormat::kAuto ? format
              : isatty(fd) == 1          ? LogFormat::kText
                                         : LogFormat::kJson),
      least_(least),
      writer_(std::make_unique<Writer>(format_, fd)) {}

Journal::~Journal() = default;

void Journal::Say(LogLine line) {
  if (!Wants(line.event)) return;
  int64_t suppressed = 0;
  if (!MayPass(line.event, &suppressed)) return;
  if (suppressed > 0) line.suppressed = suppressed;
  writer_->Add(LogText(line, format_, wire::UnixUs()));
}

void Journal::SayLast(LogEvent event, const std::string& msg) {
  writer_->WriteNow(LogText({.event = event, .msg = msg}, format_, wire::UnixUs()));
}

void Journal::SayPlain(const std::string& text) {
  if (format_ == LogFormat::kText && Wants(LogEvent::kReady)) writer_->Add(text);
}

// What two threads do in one moment may be counted in either second; it is a pace, not a promise.
bool Journal::MayPass(LogEvent event, int64_t* suppressed) {
  const uint32_t most = RowOf(event).per_second;
  if (most == 0) return true;
  Pace& pace = paces_[static_cast<size_t>(event)];
  const int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now().time_since_epoch())
          .count();
  int64_t second = pace.second.load();
  if (now != second && pace.second.compare_exchange_strong(second, now)) pace.said.store(0);
  if (pace.said.fetch_add(1) >= most) {
    pace.suppressed.fetch_add(1);
    return false;
  }
  *suppressed = pace.suppressed.exchange(0);
  return true;
}

}  // namespace onced
