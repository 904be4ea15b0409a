// SPDX-License-Identifier: MIT
#include "server/operations/last_resort.h"

#include <unistd.h>

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

// Nothing is allocated, no lock is taken, no destructor runs.
[[noreturn]] void EndWithout(std::string_view what) {
  constexpr std::string_view kJson =
      R"({"level":"error","component":"server","event":"leaving","msg":")";
  const std::string_view begin = as_json ? kJson : "onced: ";
  const std::string_view end = as_json ? "\"}\n" : "\n";
  constexpr std::string_view kWhy = "out of ";
  constexpr std::string_view kThen = ": it ends as after a crash; what was answered is kept";
  for (const std::string_view part : {begin, kWhy, what, kThen, end}) {
    if (write(STDERR_FILENO, part.data(), part.size()) < 0) break;  // nobody is left to tell
  }
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
    constexpr std::string_view kLine = "onced: a fault that nothing caught\n";
    (void)!write(STDERR_FILENO, kLine.data(), kLine.size());
  } catch (const std::exception& error) {
    const std::string_view what = error.what();
    (void)!write(STDERR_FILENO, what.data(), what.size());
    (void)!write(STDERR_FILENO, "\n", 1);
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
