// SPDX-License-Identifier: MIT
#include "bench/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <signal.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

namespace onced::bench {
namespace {

constexpr std::chrono::seconds kStartPatience{30};
constexpr std::chrono::seconds kStopPatience{20};
constexpr std::chrono::milliseconds kPause{10};

std::string TextOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// In the child, between fork and exec.
[[noreturn]] void Become(const Command& command, int out) {
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  if (command.as_postgres && geteuid() == 0) {
    const passwd* user = getpwnam("postgres");
    if (user == nullptr || setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0) {
      _exit(126);
    }
  }
  std::vector<char*> words;
  for (const std::string& word : command.words) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  setenv("ONCED_LOG_FORMAT", "text", 0);  // onced's doors are read off its words for people
  execvp(words[0], words.data());
  _exit(127);
}

bool Succeeded(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

}  // namespace

void Fail(const std::string& why) { throw Failure(why); }

TempFolder::TempFolder() {
  const char* const wished = std::getenv("TMPDIR");
  const std::filesystem::path parent = wished != nullptr && *wished != '\0' ? wished : "/var/tmp";
  std::string name = (parent / "onced-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) Fail("no temporary folder: " + name);
  path_ = name;
  std::filesystem::permissions(path_, std::filesystem::perms(0755));  // for PostgreSQL's user
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool TempFolder::is_in_memory() const {
  struct statfs about {};
  return statfs(path_.c_str(), &about) == 0 &&
         (about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC);
}

Child::Child(const Command& command, const std::filesystem::path& log) : log_(log) {
  const int out = open(log.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
  if (out < 0) Fail("cannot write " + log.string());
  pid_ = fork();
  if (pid_ < 0) Fail("cannot fork");
  if (pid_ == 0) Become(command, out);
  close(out);
}

Child::~Child() { End(SIGTERM); }

bool Child::End(int signal) {
  if (pid_ < 0) return true;
  const pid_t pid = std::exchange(pid_, -1);
  kill(pid, signal);
  const auto until = std::chrono::steady_clock::now() + kStopPatience;
  bool in_time = true;
  while (waitpid(pid, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > until) {
      kill(pid, SIGKILL);
      in_time = false;
    }
    std::this_thread::sleep_for(kPause);
  }
  return in_time;
}

bool Child::HasEnded() const {
  siginfo_t about{};
  const int asked = waitid(P_PID, static_cast<id_t>(pid_), &about, WEXITED | WNOHANG | WNOWAIT);
  return asked != 0 || about.si_pid != 0;
}

std::string Child::Log() const { return TextOf(log_); }

std::string Child::Await(const std::string& text) const {
  const auto until = std::chrono::steady_clock::now() + kStartPatience;
  while (std::chrono::steady_clock::now() < until) {
    const std::string said = Log();
    const size_t at = said.find(text);
    const size_t end = at == std::string::npos ? at : said.find('\n', at + text.size());
    if (end != std::string::npos) return said.substr(at + text.size(), end - at - text.size());
    if (HasEnded()) break;
    std::this_thread::sleep_for(kPause);
  }
  Fail("did not start: " + Log());
}

std::chrono::microseconds Child::CpuTime() const {
  const std::string stat = TextOf("/proc/" + std::to_string(pid_) + "/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(stat.substr(name_end + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  int64_t user = 0;
  int64_t system = 0;
  fields >> user >> system;
  return std::chrono::microseconds((user + system) * 1'000'000 / sysconf(_SC_CLK_TCK));
}

int64_t Child::BytesWritten() const {
  return static_cast<int64_t>(
      NumberAfter(TextOf("/proc/" + std::to_string(pid_) + "/io"), "\nwrite_bytes: "));
}

int64_t Child::Kibibytes(const std::string& name) const {
  const std::string status = TextOf("/proc/" + std::to_string(pid_) + "/status");
  return static_cast<int64_t>(NumberAfter(status, name + ":"));
}

bool Child::Join() {
  int status = 0;
  const pid_t pid = std::exchange(pid_, -1);
  return waitpid(pid, &status, 0) == pid && Succeeded(status);
}

std::string Output(const Command& command) {
  const TempFolder folder;
  const std::filesystem::path log = folder.path() / "output";
  Child child(command, log);
  const bool good = child.Join();
  std::string text = TextOf(log);
  if (!good) Fail(command.words.front() + " failed: " + text);
  return text;
}

double NumberAfter(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  if (at == std::string::npos) Fail("no \"" + name + "\" in: " + text);
  return std::strtod(text.c_str() + at + name.size(), nullptr);
}

bool CanRun(const std::string& program) {
  if (program.find('/') != std::string::npos) return access(program.c_str(), X_OK) == 0;
  std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(path, folder, ':');) {
    folder.append("/").append(program);
    if (access(folder.c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace onced::bench
