// SPDX-License-Identifier: MIT
// The listener at its limits and in trouble: too many connections, too many bytes, a store that
// stalls, a disk that hangs, a write that breaks off. Nobody is told another's answer, nobody is
// forgotten, and that the process lives can be told all the while.
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/mutex.h"
#include "server/wire/outbox.h"
#include "tests/listening.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using wire::Answer;
using wire::Exchange;
using wire::ListenerOptions;
using wire::Outbox;

TEST(ListenerLimits, TurnAwayAConnectionTooMany) {
  ListenerOptions options = OptionsFor(Echo);
  options.connections_max = 2;
  const auto listener = Listen(std::move(options));
  Client one(listener->port()), two(listener->port());
  EXPECT_EQ(one.Ask("GET", "/1").status, 200);
  EXPECT_EQ(two.Ask("GET", "/2").status, 200);
  Client three(listener->port());
  ExpectProblem(three.Receive(), 503, "overloaded");
  two.HangUp();
  EXPECT_TRUE(Eventually([&] { return Client(listener->port()).Ask("GET", "/4").status == 200; }));
}

// A disk that hangs must not look like a process that hangs: it would be killed for nothing.
TEST(ListenerDoor, TellsThatItLivesWhileEveryOtherThreadIsHeldUp) {
  std::promise<void> go;
  std::atomic<int> held{0};
  ListenerOptions options = OptionsFor(
      [&held, ready = go.get_future().share()](httplib::Response& response, Exchange& exchange) {
        if (!exchange.request().target.starts_with("/livez")) {
          ++held;
          ready.wait();
        }
        Echo(response, exchange);
      });
  options.io_threads = 2;
  const auto listener = Listen(std::move(options));
  std::vector<Client> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back(listener->port());
    clients.back().Send(Get("/hangs"));
  }
  EXPECT_TRUE(Eventually([&] { return held == 2; }));
  Client probe(listener->port());
  EXPECT_EQ(probe.Ask("GET", "/livez").status, 200);
  probe.Send(Get("/hangs"));
  EXPECT_TRUE(Eventually([&] { return held == 3; }));
  Client other(listener->port());
  EXPECT_EQ(other.Ask("HEAD", "/livez").status, 200) << "nor is the door held up by what it let in";
  go.set_value();
  EXPECT_EQ(probe.Receive().body, "/hangs");
  for (Client& client : clients) EXPECT_EQ(client.Receive().body, "/hangs");
}

TEST(ListenerDoor, EndsAConnectionThatNeverSpeaks) {
  ListenerOptions options = OptionsFor(Echo);
  options.deadlines.idle = milliseconds(50);
  const auto listener = Listen(std::move(options));
  EXPECT_TRUE(Client(listener->port()).SeesEnd());
}

TEST(ListenerLimits, RefuseBodiesBeyondItsMemory) {
  ListenerOptions options = OptionsFor(Echo);
  options.memory_max = 256 * 1024;
  const auto listener = Listen(std::move(options));
  const std::string half(512 * 1024, 'x');
  Client client(listener->port());
  client.Send(RequestText("POST", "/", half));
  ExpectProblem(client.Receive(), 503, "overloaded");
  // It is given back: a small request is served afterwards, and so is one that fits.
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
  EXPECT_EQ(Client(listener->port()).Ask("POST", "/", std::string(100 * 1024, 'y')).status, 200);
}

// A parked request is held as long as it likes to wait, and so is its body.

// It came ahead of the answer that it followed, and was taken for it.
TEST(ListenerLimits, RefuseALaterRequestInItsTurn) {
  Mutex mutex;
  std::function<void()> waker;
  std::atomic<int> asked{0};
  ListenerOptions options = OptionsFor([&](httplib::Response& response, Exchange& exchange) {
    if (++asked == 1) {
      MutexLock lock(mutex);
      waker = exchange.Waker();
      return exchange.Park(std::chrono::hours(1));
    }
    response.status = 200;
    response.body = "the first";
  });
  options.memory_max = 100 * 1024;
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  client.Send(RequestText("POST", "/first", std::string(60 * 1024, 'x')));
  ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == 1; }));
  client.Send(RequestText("POST", "/second", std::string(150 * 1024, 'y')));
  // real time: a refusal out of its turn would be here by now
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_FALSE(client.HasInput());
  {
    MutexLock lock(mutex);
    waker();
  }
  EXPECT_EQ(client.Receive().body, "the first");
  ExpectProblem(client.Receive(), 503, "overloaded");
  EXPECT_TRUE(client.SeesEnd());
}

// Half a body each from thirty strangers, and the supervisor took the process for dead.
TEST(ListenerLimits, LeaveRoomToTellThatItLives) {
  ListenerOptions options = OptionsFor(Echo);
  options.memory_max = 16 * 1024;
  options.connections_max = 30;
  const auto listener = Listen(std::move(options));
  std::deque<Client> strangers;
  for (int i = 0; i < 30; ++i) {
    strangers.emplace_back(listener->port());
    strangers.back().Send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n" +
                          std::string(3'900, 'x'));
  }
  ASSERT_TRUE(Eventually([&] { return listener->Counts().connections == 30; }));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Client(listener->port()).Ask("GET", "/livez").status, 200) << "at both limits";
  }
  ExpectProblem(Client(listener->port()).Ask("GET", "/other"), 503, "overloaded");
}

// On the pool a wake may come before "not yet" has come back: it was lost, and the request slept
// until its own time was up.
TEST(ListenerParks, LosesNoWakeOfAHandlerOnThePool) {
  std::atomic<int> asked{0};
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    if (++asked == 1) {
      exchange.Park(std::chrono::hours(1));
      exchange.Waker()();
      // real time: the wake reaches the loop before this handler has returned
      std::this_thread::sleep_for(milliseconds(30));
      return;
    }
    Echo(response, exchange);
  });
  Client client(listener->port());
  EXPECT_EQ(client.Ask("GET", "/blocks").body, "/blocks");
  EXPECT_EQ(asked, 2);
}

TEST(ListenerParks, AnswersOneWhoHasFinishedSendingThroughAStall) {
  std::atomic<int> asked{0};
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    if (++asked < 4 && exchange.Stall(milliseconds(10), std::chrono::hours(1))) return;
    Echo(response, exchange);
  });
  Client client(listener->port());
  client.Send(Get("/complete"));
  client.FinishSending();
  EXPECT_EQ(client.Receive().body, "/complete");
  EXPECT_EQ(asked, 4);
}

// A claim that had waited twenty seconds found the store stalled, and was told so at once.
TEST(ListenerParks, CountsAStallFromItsBeginning) {
  std::atomic<int> asked{0};
  std::atomic<bool> patient{false};
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    if (++asked == 1) return exchange.Park(milliseconds(60));
    if (asked == 2) {
      patient = exchange.Stall(milliseconds(1), milliseconds(50));
      if (patient) return;
    }
    Echo(response, exchange);
  });
  EXPECT_EQ(Client(listener->port()).Ask("GET", "/").status, 200);
  EXPECT_TRUE(patient);
}

TEST(ListenerStop, DoesNotWaitForAHandlerThatHangs) {
  std::promise<void> go;
  std::atomic<int> held{0};
  auto listener =
      Listen([&, ready = go.get_future().share()](httplib::Response& response, Exchange& exchange) {
        ++held;
        ready.wait();
        Echo(response, exchange);
      });
  Client on_the_pool(listener->port()), on_its_loop(listener->port());
  on_the_pool.Send(Get("/blocks"));
  on_its_loop.Send(Get("/hangs"));
  ASSERT_TRUE(Eventually([&] { return held == 2; }));
  EXPECT_FALSE(listener->Stop(milliseconds(10)));
  EXPECT_TRUE(listener->IsHeldUp());
  go.set_value();
  EXPECT_TRUE(Eventually([&] { return !listener->IsHeldUp(); }));
}

TEST(ListenerSpeaks, TellsAnOlderClientThatTheConnectionStays) {
  const auto listener = Listen(Echo);
  Client client(listener->port());
  for (int i = 0; i < 2; ++i) {
    client.Send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const HttpAnswer answer = client.Receive();
    EXPECT_EQ(answer.body, "/old");
    EXPECT_EQ(answer.Header("Connection"), "keep-alive");
  }
  client.Send("GET /old HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.Receive().Header("Connection"), "close");
  EXPECT_TRUE(client.SeesEnd());
}

std::shared_ptr<Answer> Finished(const std::string& bytes, std::vector<std::string>* undone,
                                 bool ready = true) {
  return std::make_shared<Answer>(
      Answer{.bytes = bytes, .if_unsent = [=] { undone->push_back(bytes); }, .ready = ready});
}

// Sixty-four answers may leave in one write. When it broke off in the first of them, the claims in
// the others stayed taken for nobody.
TEST(Outbox, UndoesEveryAnswerOfWhichNoByteWasWritten) {
  std::vector<std::string> undone;
  Outbox outbox;
  for (const char* bytes : {"first", "second", "third"}) outbox.Add(Finished(bytes, &undone));
  ASSERT_EQ(*outbox.BeginWrite(), "firstsecondthird");
  EXPECT_EQ(outbox.BeginWrite(), nullptr) << "one write at a time";
  outbox.Written(5);
  EXPECT_EQ(undone, (std::vector<std::string>{"second", "third"}));
}

TEST(Outbox, UndoesNothingThatWasWritten) {
  std::vector<std::string> undone;
  Outbox outbox;
  outbox.Add(Finished("one", &undone));
  outbox.Add(Finished("held", &undone, /*ready=*/false));
  ASSERT_EQ(*outbox.BeginWrite(), "one");
  EXPECT_EQ(outbox.bytes(), 7u);
  outbox.Written(3);
  EXPECT_TRUE(undone.empty());
  EXPECT_EQ(outbox.BeginWrite(), nullptr);
  outbox.Drop();
  EXPECT_EQ(undone, std::vector<std::string>{"held"});
  EXPECT_TRUE(outbox.empty());
}

}  // namespace
}  // namespace onced
