// SPDX-License-Identifier: MIT
#include "server/operations/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace onced {
namespace {

// In ticks since the machine was started: field 22 of stat, which follows the name in brackets, and
// that may have anything in it.
uint64_t StartTicks() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream rest(text.substr(std::min(text.rfind(')') + 1, text.size())));
  std::string field;
  for (int number = 3; number <= 22 && rest >> field; ++number) {
  }
  return field.empty() ? 0 : std::strtoull(field.c_str(), nullptr, 10);
}

double BootUnixS() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessFigures ReadProcess() {
  ProcessFigures figures;
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    figures.cpu_s = Seconds(used.ru_utime) + Seconds(used.ru_stime);
  }
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0, resident = 0;
  if (statm >> pages >> resident) {
    figures.resident_bytes = resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
       at.increment(error)) {
    ++figures.open_files;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.open_files_max = limit.rlim_cur;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  figures.started_unix_s = BootUnixS() + static_cast<double>(StartTicks()) / ticks;
  return figures;
}

}  // namespace onced
