// SPDX-License-Identifier: MIT
#include "tests/zombie.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>
#include <utility>

namespace onced {
namespace {

constexpr size_t kTries = 4;

// What a zombie tells its parent of a call.
struct Said {
  Answer told;
  int64_t called_ns = 0;
  int64_t returned_ns = 0;
  int64_t called_ms = 0;
  int64_t returned_ms = 0;
};

std::unique_ptr<Door> DoorOf(size_t number, Ports ports) {
  return number % 2 == 0 ? OverHttp(ports.http) : OverRedis(ports.redis);
}

}  // namespace

Zombie::Zombie(size_t number, Ports ports) : number_(number), key_("z" + std::to_string(number)) {
  if (pipe(up_) != 0 || pipe(down_) != 0) throw std::runtime_error("pipe");
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == parent) Live(ports);
  _exit(0);
}

Zombie::~Zombie() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  for (const int fd : {up_[0], up_[1], down_[0], down_[1]}) close(fd);
}

uint64_t Zombie::WaitUntilStopped() {
  Note(ClaimOf(key_, kLeaseMs));
  int status = 0;
  if (waitpid(pid_, &status, WUNTRACED) != pid_ || !WIFSTOPPED(status)) {
    throw std::runtime_error(key_ + " did not stop");
  }
  fence_ = calls_.back().told.fence;
  return fence_;
}

size_t Zombie::WakeAndCountTaken(Ports ports) {
  if (write(down_[1], &ports, sizeof ports) != sizeof ports) throw std::runtime_error("write");
  kill(pid_, SIGCONT);
  size_t taken = 0;
  for (size_t i = 0; i < kTries; ++i) {
    Note(Try(i));
    taken += calls_.back().told.what == Told::kStale ? 0 : 1;
  }
  return taken;
}

Question Zombie::Try(size_t i) const {
  switch ((i + number_) % 3) {
    case 0:
      return CompleteOf(key_, fence_, 5'000 + number_);
    case 1:
      return RenewOf(key_, fence_, 10'000);
    default:
      return ReleaseOf(key_, fence_);
  }
}

void Zombie::Note(Question question) {
  Said said;
  if (read(up_[0], &said, sizeof said) != sizeof said) throw std::runtime_error(key_ + " is gone");
  calls_.push_back({.asked = std::move(question),
                    .told = said.told,
                    .called_ns = said.called_ns,
                    .returned_ns = said.returned_ns,
                    .called_ms = said.called_ms,
                    .returned_ms = said.returned_ms,
                    .caller = 1'000 + static_cast<int>(number_)});
}

// In the child, from here on.
void Zombie::Live(Ports ports) {
  CallHistory history;
  Recorder* const recorder = history.NewRecorder();
  Witness witness(recorder, DoorOf(number_, ports));
  fence_ = witness.AskAndHear(ClaimOf(key_, kLeaseMs)).fence;
  Tell(history);
  raise(SIGSTOP);
  if (read(down_[0], &ports, sizeof ports) != sizeof ports) return;
  if (ports.http != 0) witness.GoTo(DoorOf(number_, ports));
  for (size_t i = 0; i < kTries; ++i) {
    witness.AskAndHear(Try(i));
    Tell(history);
  }
}

void Zombie::Tell(const CallHistory& history) const {
  const Call call = history.Calls().back();
  const Said said{call.told, call.called_ns, call.returned_ns, call.called_ms, call.returned_ms};
  if (write(up_[1], &said, sizeof said) != sizeof said) _exit(1);
}

}  // namespace onced
