// SPDX-License-Identifier: MIT
// What the tests of the real thing are made with: a client that sends exactly the bytes it is told
// and reads answers strictly, and the built program, started in a folder of its own on a free port
// of 127.0.0.1.
//
// Every wait has a bound (kPatience) and ends in an answer with status 0, or an exception, that
// says what did not come.
//
// Threads: a Client belongs to one thread at a time; a Program is started on the main thread (the
// kernel kills it when the thread that started it ends), and asked from any.
// Invariants: no process and no folder outlives its object.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/fixtures.h"

namespace onced {

constexpr std::chrono::seconds kPatience{20};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpAnswer {
  int status = 0;  // 0: there was no answer; the body says why
  Headers headers;
  std::string body;

  // "" when there is none.
  std::string Header(std::string_view name) const;
  // The value at a JSON pointer of the body: a string as it reads, anything else as JSON; "" when
  // there is none.
  std::string Field(const std::string& pointer) const;
  // How many elements or members are at the pointer.
  size_t Count(const std::string& pointer) const;
};
void PrintTo(const HttpAnswer& answer, std::ostream* out);

// One request; with a body also its length. Host is 127.0.0.1 unless `headers` has one.
std::string RequestText(std::string_view method, std::string_view target,
                        std::string_view body = "", const Headers& headers = {});

// JSON as it can be read in a C++ test: single quotes stand for double ones.
std::string Json(std::string text);

// One connection.
class Client {
 public:
  explicit Client(uint16_t port);
  virtual ~Client();
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;

  bool connected() const { return connected_; }
  // False when the other side would not take all of it.
  virtual bool Send(std::string_view bytes);
  // The next answer, its chunks joined; a 1xx is one too. `of_head`: the request was a HEAD.
  HttpAnswer Receive(std::chrono::milliseconds patience = kPatience, bool of_head = false);
  HttpAnswer Ask(std::string_view method, std::string_view target, std::string_view body = "",
                 const Headers& headers = {});
  // What is here, or comes next, of whatever it is; "" at the end, which was one in good order when
  // errno is 0.
  std::string ReceiveSome(std::chrono::milliseconds patience = kPatience);
  // Whether the other side ends the connection in good order, without another byte and without a
  // reset, while we wait.
  bool SeesEnd();
  // Whether anything can be read at this moment.
  bool HasInput() const;
  void FinishSending();
  void HangUp();  // with a reset, so that the other side knows at once

 protected:
  int fd() const { return fd_; }
  bool WaitForInput(std::chrono::steady_clock::time_point until) const;
  void Append(std::string_view bytes) { in_.append(bytes); }

 private:
  // False, with errno EAGAIN, 0 (the end, in good order) or another, when nothing came.
  virtual bool ReadSome(std::chrono::steady_clock::time_point until);
  HttpAnswer Failed(const std::string& why) const;
  HttpAnswer ReceiveChunks(HttpAnswer answer, std::chrono::steady_clock::time_point until);

  int fd_ = -1;
  bool connected_ = false;
  std::string in_;
};

// The program that is started: the one that was built with these tests, unless the environment
// (ONCED_PROGRAM) names another: one with a sanitizer, or of an earlier version.
const char* ProgramPath();

// A port nobody listens on at this moment.
uint16_t FreePort();

struct Ended {
  int code = 0;  // the exit code, or minus the signal
  std::string out;
  std::string err;
};

// The flags that `onced serve` is given for a data folder, instead of `--data DATA`: then those
// that are about folders are left out of what a test gives. Said once, before the first Program.
void KeepFoldersElsewhere(std::vector<std::string> (*flags_for)(const std::string& data));
bool KeepsFoldersElsewhere();

class Program {
 public:
  // `onced serve --http 127.0.0.1:0 --data DATA FLAGS...`, up to its banner; without --data when
  // `data` is empty. Throws, with what it said, when it ends instead. `files_max`: its
  // hard limit of open files; 0: the test's own.
  explicit Program(const std::string& data, const std::vector<std::string>& flags = {},
                   const std::string& folder = "/tmp", size_t files_max = 0);
  ~Program();  // kill -9
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // `onced ARGS...` to its end.
  static Ended Run(const std::vector<std::string>& args, const std::string& folder = "/tmp");

  uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  Client Connect() const { return Client(port_); }
  // On a connection of its own.
  HttpAnswer Ask(std::string_view method, std::string_view target, std::string_view body = "",
                 const Headers& headers = {}) const;
  std::string Said() const;  // on stderr, so far
  // Where a door is, by the lines of --log-format json; 0: they tell none.
  uint16_t ListeningPort(const std::string& component) const;

  void Signal(int number) const;
  Ended WaitForEnd();
  Ended Stop();  // SIGTERM, and its end
  void Kill();   // SIGKILL, and its end; a failure when it had ended by itself

 private:
  struct Child;
  Program();
  void Start(const std::vector<std::string>& args, const std::string& folder, size_t files_max = 0);

  TempFolder output_;
  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

// The program in a folder of its own, and short words for its API.
struct OncedInAFolder {
  explicit OncedInAFolder(const std::vector<std::string>& flags = {})
      : program(folder.path(), flags) {}

  HttpAnswer Get(const std::string& target) const { return program.Ask("GET", target); }
  HttpAnswer Delete(const std::string& target) const { return program.Ask("DELETE", target); }
  HttpAnswer Post(const std::string& target, const std::string& json) const {
    return program.Ask("POST", target, Json(json));
  }
  // The fence of a fresh claim of `key`, with more fields such as "'lease_ms':1000".
  std::string Claim(const std::string& key, const std::string& more = "") const;
  HttpAnswer Complete(const std::string& key, const std::string& fence,
                      const std::string& result) const;
  std::string State(const std::string& key) const { return Get("/v1/keys/" + key).Field("/state"); }
  // Until so many callers stand in line.
  bool Waiting(size_t count) const;

  TempFolder folder;
  Program program;
};

// A problem document in full: its code, its status, and what must always be there. A failure is
// reported at the line of the caller.
void ExpectProblem(const HttpAnswer& answer, int status, const std::string& code,
                   const char* file = __builtin_FILE(), int line = __builtin_LINE());
// The same, and that the detail begins with the field's name.
void ExpectRefusal(const HttpAnswer& answer, int status, const std::string& code,
                   const std::string& field, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE());

}  // namespace onced
