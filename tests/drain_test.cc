// SPDX-License-Identifier: MIT
// How it comes and goes where something watches: probes and the service manager are told the truth
// at every moment, and a stop that is asked for twice is one at once.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "server/lobby.h"
#include "tests/child.h"
#include "tests/preloaded.h"
#include "tests/program.h"
#include "tests/slow_disk.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Where a service manager listens (sd_notify(3)), for whatever is started while this lives.
class Manager {
 public:
  explicit Manager(const TempFolder& folder) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const std::string path = folder.path("notify");
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path.data(), path.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    setenv("WATCHDOG_USEC", "200000", 1);
    unsetenv("WATCHDOG_PID");
  }
  ~Manager() {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(fd_);
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // Reads on until something has `words`.
  bool Hears(const std::string& words) {
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (;;) {
      std::string message(1024, '\0');
      const ssize_t size = recv(fd_, message.data(), message.size(), 0);
      if (size < 0) return false;
      message.resize(static_cast<size_t>(size));
      if (message.find(words) != std::string::npos) return true;
    }
  }

 private:
  const int fd_;
};

TEST(ServiceManager, HearsOfEveryTurn) {
  const TempFolder folder;
  Manager manager(folder);
  Program program(folder.path());
  EXPECT_TRUE(manager.Hears("EXTEND_TIMEOUT_USEC=30000000\nSTATUS=opening the store"));
  EXPECT_TRUE(manager.Hears("READY=1"));
  EXPECT_TRUE(manager.Hears("WATCHDOG=1"));
  EXPECT_TRUE(manager.Hears("WATCHDOG=1"));
  program.Signal(SIGTERM);
  EXPECT_TRUE(manager.Hears("STOPPING=1"));
  EXPECT_EQ(program.WaitForEnd().code, 0);
}

TEST(Drain, ServesOnWhileBalancersLookAway) {
  const TempFolder folder;
  Program program(folder.path(), {"--drain-delay", "2s"});
  EXPECT_EQ(program.Ask("GET", "/readyz").status, 200);
  program.Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return program.Ask("GET", "/readyz").status == 503; }));
  EXPECT_NE(program.Ask("GET", "/readyz?verbose").body.find("[-]draining"), std::string::npos);
  EXPECT_EQ(program.Ask("GET", "/readyz/draining").status, 503);
  EXPECT_EQ(program.Ask("GET", "/readyz?exclude=draining").status, 200);
  EXPECT_EQ(program.Ask("POST", "/v1/claim", "{\"key\":\"k\"}").status, 201);
  EXPECT_EQ(program.Ask("GET", "/livez").status, 200);
  const Ended ended = program.WaitForEnd();
  EXPECT_EQ(ended.code, 0) << ended.err;
  const Program again(folder.path());
  EXPECT_EQ(again.Ask("GET", "/v1/keys/k").status, 200);
}

TEST(Drain, EndsAtOnceWhenAskedTwice) {
  const TempFolder folder;
  Program program(folder.path(), {"--drain-delay", "5m"});
  EXPECT_EQ(program.Ask("POST", "/v1/claim", "{\"key\":\"k\"}").status, 201);
  program.Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return program.Ask("GET", "/readyz").status == 503; }));
  program.Signal(SIGHUP);  // that is none
  for (int i = 0; i < 200; ++i) EXPECT_EQ(program.Ask("GET", "/livez").status, 200);
  program.Signal(SIGTERM);
  const Ended ended = program.WaitForEnd();
  EXPECT_EQ(ended.code, kExitCutOff) << ended.err;
  const Program again(folder.path());
  EXPECT_EQ(again.Ask("GET", "/v1/keys/k").status, 200) << "what was answered is there";
}

TEST(Drain, CutsOffWhatTakesTooLongAndSaysSo) {
  const TempFolder folder;
  Program program(folder.path(), {"--drain-timeout", "300ms"});
  Client slow = program.Connect();
  ASSERT_TRUE(
      slow.Send("POST /v1/claim HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{"));
  Client other = program.Connect();
  EXPECT_EQ(other.Ask("GET", "/livez").status, 200) << "the first has been taken in by now";
  const Ended ended = program.Stop();
  EXPECT_EQ(ended.code, kExitCutOff);
  EXPECT_NE(ended.err.find("were cut off"), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("stopped"), std::string::npos) << "all the same it has synced";
}

// A folder that lies on a disk which does not give its first file back until it is let go.
struct SlowOpening {
  explicit SlowOpening(const std::vector<std::string>& more = {}) {
    std::filesystem::create_directories(folder.path());
    { const Program before(data); }
    WriteFile(hold, "");
    const Preloaded preloaded({{"ONCED_HOLD_READ", hold}});
    std::vector<std::string> args = {ProgramPath(), "serve",  "--data",
                                     data,          "--http", "127.0.0.1:" + std::to_string(port)};
    args.insert(args.end(), more.begin(), more.end());
    child = std::make_unique<Child>(args);
    EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(hold + ".held"); }));
  }
  HttpAnswer Get(const std::string& target) const { return Client(port).Ask("GET", target); }

  const TempFolder folder;
  const std::string data = folder.path("data");
  const std::string hold = folder.path("hold");
  const uint16_t port = FreePort();
  std::unique_ptr<Child> child;
};

// Who asks hears that it is being opened, and a stop is one at once.
TEST(Drain, EndsAtOnceWhileTheFolderIsOpened) {
  SlowOpening opening;
  const HttpAnswer ready = opening.Get("/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("[-]recovering failed"), std::string::npos) << ready.body;
  EXPECT_EQ(opening.Get("/livez").status, 200);
  const auto asked = steady_clock::now();
  kill(opening.child->pid(), SIGTERM);
  EXPECT_TRUE(Eventually([&] { return opening.child->Ended(); }));
  EXPECT_LT(steady_clock::now() - asked, seconds(5));
  EXPECT_EQ(opening.child->code(), kExitCutOff) << opening.child->Said();
  EXPECT_NE(opening.child->Said().find("while the store was being opened"), std::string::npos);
  const Program again(opening.data);
  EXPECT_EQ(again.Ask("GET", "/livez").status, 200);
}

// A story: whoever had it read its files anew just then was not heard.
TEST(Drain, KeepsAReloadForWhenTheFolderIsOpen) {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path());
  WriteFile(folder.path("onced.toml"), "lease = \"9s\"\n");
  SlowOpening opening({"--config", folder.path("onced.toml")});
  EXPECT_EQ(opening.Get("/readyz").status, 503);
  kill(opening.child->pid(), SIGHUP);
  std::filesystem::remove(opening.hold);
  EXPECT_TRUE(Eventually([&] {
    return opening.child->Said().find("onced.toml is valid") != std::string::npos;
  })) << opening.child->Said();
}

// A disk that does not return from a sync cannot keep a stop from ending: it is given the drain's
// time and 20 s for the last sync. What was not answered by then is not, and what was is there at
// the next start.
TEST(Drain, EndsAlthoughASyncHangs) {
  HeldProgram program({"--drain-timeout", "300ms"});
  EXPECT_EQ(program->Ask("POST", "/v1/complete", "{\"key\":\"before\"}").status, 200);
  program.Hold();
  Client waits = program->Connect();
  EXPECT_TRUE(waits.Send(RequestText("POST", "/v1/complete", "{\"key\":\"k\"}")));
  EXPECT_TRUE(Eventually([&] { return program.IsHeld(); }));
  program->Signal(SIGTERM);
  (void)Eventually([&] { return program->Said().find("last sync") != std::string::npos; });
  const Ended ended = program.WaitForEnd();
  EXPECT_EQ(ended.code, kExitFailure) << ended.err;
  EXPECT_NE(ended.err.find("the storage does not answer"), std::string::npos) << ended.err;
  EXPECT_EQ(waits.Receive().status, 0) << "it was never answered";
  const Program again(program.data());
  EXPECT_EQ(again.Ask("GET", "/v1/keys/before").Field("/state"), "completed");
}

TEST(Lobby, TellsWhoComesThatItLivesAndIsNotReady) {
  Result<std::unique_ptr<wire::Port>> port = wire::Port::Take("127.0.0.1", 0);
  ASSERT_TRUE(port.ok());
  const uint16_t number = (*port)->number();
  const ServeOptions options;
  {
    const Lobby lobby(options, **port, nullptr, milliseconds(0));
    EXPECT_EQ(Client(number).Ask("GET", "/livez").status, 200);
    const HttpAnswer ready = Client(number).Ask("GET", "/readyz?verbose");
    EXPECT_EQ(ready.status, 503);
    EXPECT_NE(ready.body.find("[-]recovering"), std::string::npos) << ready.body;
    for (const char* probe : {"/healthz", "/readyz/log_sync", "/readyz?exclude=recovering"}) {
      EXPECT_EQ(Client(number).Ask("GET", probe).body, ready.body) << probe;
    }
    EXPECT_EQ(Client(number)
                  .Ask("GET", "/readyz", "", {{"Accept", "application/json"}})
                  .Field("/checks/0/name"),
              "recovering");
    const HttpAnswer claim = Client(number).Ask("POST", "/v1/claim", "{\"key\":\"k\"}");
    EXPECT_EQ(claim.status, 503);
    EXPECT_EQ(claim.Field("/code"), "overloaded");
    EXPECT_EQ(claim.Field("/retryable"), "true");
    EXPECT_EQ(claim.Header("Retry-After"), "1");
  }
  // The next one has the port for itself.
  Client waits(number);
  ASSERT_TRUE(waits.Send("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
  const Lobby next(options, **port, nullptr, milliseconds(0));
  EXPECT_EQ(waits.Receive().status, 200);
}

// Whoever knocks while the store opens takes a file that the store may need: of them there are only
// so many, the next is told so, and one that leaves makes room.
TEST(Lobby, LetsOnlySoManyIn) {
  constexpr size_t kGuestsMax = 64;  // of server/lobby.cc
  Result<std::unique_ptr<wire::Port>> port = wire::Port::Take("127.0.0.1", 0);
  ASSERT_TRUE(port.ok());
  const ServeOptions options;
  const Lobby lobby(options, **port, nullptr, milliseconds(0));
  std::vector<Client> guests;
  while (guests.size() < kGuestsMax) {
    guests.emplace_back((*port)->number());
    EXPECT_EQ(guests.back().Ask("GET", "/livez").status, 200);
  }
  const auto recovering = [](const HttpAnswer& answer) {
    return answer.status == 503 && answer.body.find("[-]recovering") != std::string::npos;
  };
  const HttpAnswer refused = Client((*port)->number()).Ask("GET", "/readyz");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.Field("/code"), "overloaded") << refused.body;
  EXPECT_EQ(Client((*port)->number()).Ask("GET", "/livez").status, 200) << "it does live";
  EXPECT_TRUE(recovering(guests.front().Ask("GET", "/readyz"))) << "who is in stays in";
  guests.back().HangUp();
  EXPECT_TRUE(
      Eventually([&] { return recovering(Client((*port)->number()).Ask("GET", "/readyz")); }));
}

TEST(Lobby, IsNotOpenedForAMoment) {
  Result<std::unique_ptr<wire::Port>> port = wire::Port::Take("127.0.0.1", 0);
  ASSERT_TRUE(port.ok());
  const ServeOptions options;
  Client waits((*port)->number());
  ASSERT_TRUE(waits.Send("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
  { const Lobby lobby(options, **port, nullptr, std::chrono::minutes(5)); }
  EXPECT_FALSE(waits.HasInput()) << "whoever serves there later answers it";
}

}  // namespace
}  // namespace onced
