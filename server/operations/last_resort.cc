// SPDX-License-Identifier: MIT
#include "server/operations/last_resort.h"

#include <poll.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>
#include <system_error>

#include "server/options.h"

namespace onced {
namespace {

std::atomic<bool> as_json{false};
std::atomic_flag speaking = ATOMIC_FLAG_INIT;
constexpr size_t kParts = 5;  // of a line

void EndNow(int) { _exit(kExitNoResources); }

// Says one line in one piece, unless nobody takes it. Of several threads that come here the first
// one speaks, and the others stand still until it has ended the process.
// A file on a disk that hangs says that it has room, and does not take it: `late` is called then.
void Speak(const std::array<std::string_view, kParts>& parts, void (*late)(int)) {
  constexpr int kPatienceMs = 250;
  constexpr unsigned kLateSeconds = 1;
  while (speaking.test_and_set()) pause();
  struct sigaction action {};
  action.sa_handler = late;
  sigaction(SIGALRM, &action, nullptr);
  sigset_t alarms;
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &alarms, nullptr);
  alarm(kLateSeconds);
  pollfd room{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&room, 1, kPatienceMs) != 1) return;
  std::array<iovec, kParts> pieces{};
  for (size_t i = 0; i < parts.size(); ++i) {
    pieces[i] = {.iov_base = const_cast<char*>(parts[i].data()), .iov_len = parts[i].size()};
  }
  (void)!writev(STDERR_FILENO, pieces.data(), static_cast<int>(pieces.size()));
}

// Nothing is allocated, no lock is taken, no destructor runs.
[[noreturn]] void EndWithout(std::string_view what) {
  constexpr std::string_view kJson =
      R"({"level":"error","component":"server","event":"leaving","msg":")";
  const std::string_view begin = as_json ? kJson : "onced: ";
  const std::string_view end = as_json ? "\"}\n" : "\n";
  constexpr std::string_view kWhy = "out of ";
  constexpr std::string_view kThen = ": it ends as after a crash; what was answered is kept";
  Speak({begin, kWhy, what, kThen, end}, EndNow);
  _exit(kExitNoResources);
}

[[noreturn]] void OutOfMemory() { EndWithout("memory"); }

[[noreturn]] void Terminated() {
  // Without an exception: threads were dropped while one was on its way, as RocksDB does when it
  // opens tables and cannot have the next thread.
  const std::exception_ptr fault = std::current_exception();
  if (fault == nullptr) EndWithout("threads or memory");
  try {
    std::rethrow_exception(fault);
  } catch (const std::bad_alloc&) {
    EndWithout("memory");
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::resource_unavailable_try_again) EndWithout("threads");
    Speak({"onced: a fault that nothing caught\n"}, SIG_DFL);
  } catch (const std::exception& error) {
    Speak({error.what(), "\n"}, SIG_DFL);
  } catch (...) {
  }
  std::abort();
}

}  // namespace

void SayLastResortAsJson() { as_json = true; }

void InstallLastResort() {
  std::set_new_handler(OutOfMemory);
  std::set_terminate(Terminated);
}

}  // namespace onced
