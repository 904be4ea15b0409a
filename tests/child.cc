// SPDX-License-Identifier: MIT
#include "tests/child.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace onced {

Child::Child(std::vector<std::string> args) : pid_(fork()) {
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpgid(0, 0);
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  const bool ready = freopen(output_.path().c_str(), "w", stdout) != nullptr &&
                     dup2(STDOUT_FILENO, STDERR_FILENO) >= 0;
  if (ready) execv(argv[0], argv.data());
  _exit(127);
}

Child::~Child() {
  kill(pid_, SIGKILL);
  kill(-pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool Child::Ended() {
  siginfo_t how{};
  // It is left there, so that its number stays its own.
  if (waitid(P_PID, static_cast<id_t>(pid_), &how, WEXITED | WNOHANG | WNOWAIT) != 0) return false;
  code_ = how.si_code == CLD_EXITED ? how.si_status : -how.si_status;
  return how.si_pid == pid_;
}

}  // namespace onced
