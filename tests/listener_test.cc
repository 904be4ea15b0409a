// SPDX-License-Identifier: MIT
// The connection layer in this process: parking, deadlines, limits, hanging up and stopping, with
// handlers and a gate that the test controls. What TLS must do as well is in transport_test.cc.
#include "server/wire/listener.h"

#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>

#include "engine/mutex.h"
#include "server/http/api.h"
#include "tests/listening.h"
#include "tests/program.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using wire::Exchange;
using wire::Listener;
using wire::ListenerOptions;

TEST(Listener, KeepsTheOrderWhenTheFirstRequestBlocks) {
  std::atomic<bool> go{false};
  std::atomic<int> asked{0};
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    ++asked;
    if (exchange.request().target == "/blocks") {
      EXPECT_TRUE(Eventually([&] { return go.load(); }));
    }
    Echo(response, exchange);
  });
  Client client(listener->port());
  client.Send(Get("/blocks") + Get("/quick"));
  EXPECT_TRUE(Eventually([&] { return asked == 1; }));
  Client other(listener->port());
  EXPECT_EQ(other.Ask("GET", "/other").body, "/other") << "only its own connection waits";
  EXPECT_EQ(asked, 2);
  EXPECT_FALSE(client.HasInput());
  go = true;
  EXPECT_EQ(client.Receive().body, "/blocks");
  EXPECT_EQ(client.Receive().body, "/quick");
}

TEST(Listener, UndoesWhatNobodyGot) {
  HeldGate gate;
  std::atomic<int> undone{0};
  ListenerOptions options = OptionsFor([&](httplib::Response& response, Exchange& exchange) {
    exchange.IfUnsent([&] { ++undone; });
    Echo(response, exchange);
  });
  options.when_durable = [&](uint64_t, std::function<void()> pass) { gate.Hold(std::move(pass)); };
  const auto listener = Listen(std::move(options));
  Client gone(listener->port());
  gone.Send(Get("/gone"));
  ASSERT_TRUE(Eventually([&] { return gate.held() == 1; }));
  EXPECT_EQ(undone, 0);
  gone.HangUp();
  EXPECT_TRUE(Eventually([&] { return undone == 1; }));
  gate.PassFirst();

  Client stays(listener->port());
  stays.Send(Get("/stays"));
  ASSERT_TRUE(Eventually([&] { return gate.held() == 1; }));
  gate.PassFirst();
  EXPECT_EQ(stays.Receive().body, "/stays");
  stays.HangUp();
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
  EXPECT_EQ(undone, 1) << "what was sent is not undone";
}

// The gate may open in the very moment in which the client is found to be gone.
TEST(Listener, UndoesWhatNobodyGotAlsoWhenItIsAlreadyBeingWritten) {
  HeldGate gate;
  std::atomic<int> undone{0};
  ListenerOptions options = OptionsFor([&](httplib::Response& response, Exchange& exchange) {
    exchange.IfUnsent([&] { ++undone; });
    Echo(response, exchange);
  });
  options.when_durable = [&](uint64_t, std::function<void()> pass) { gate.Hold(std::move(pass)); };
  const auto listener = Listen(std::move(options));
  for (int round = 1; round <= 200; ++round) {
    Client gone(listener->port());
    gone.Send(Get("/gone"));
    ASSERT_TRUE(Eventually([&] { return gate.held() == 1; }));
    gone.HangUp();
    gate.PassFirst();
    ASSERT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
    ASSERT_EQ(undone, round);
  }
}

// The client of a claim is gone before its answer was durable: nobody will run what nobody knows
// was won.
TEST(Listener, FreesTheKeyOfAClientThatHangsUpWhileItsClaimIsHeld) {
  LedgerInAFolder here;
  Ledger ledger(here.store.get(), {.wait_at_gate = false});
  Api api(&ledger,
          {.now_ms = [&] { return here.clock.NowMs(); }, .draining = [] { return false; }});
  HeldGate gate;
  ListenerOptions options;
  options.handler = [&](httplib::Response& response, Exchange& exchange) {
    api.Handle(response, exchange);
  };
  options.blocks = Api::Blocks;
  options.when_durable = [&](uint64_t, std::function<void()> pass) { gate.Hold(std::move(pass)); };
  const auto listener = Listen(std::move(options));
  const auto claim_and_hang_up = [&](const std::string& body) {
    const size_t held = gate.held();
    Client client(listener->port());
    client.Send(RequestText("POST", "/v1/claim", onced::Json(body)));
    EXPECT_TRUE(Eventually([&] { return gate.held() == held + 1; }));
    client.HangUp();
    EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
  };
  claim_and_hang_up("{'key':'plain'}");
  EXPECT_FALSE(Value(ledger.Find(K("plain"))).record.has_value());
  claim_and_hang_up("{'key':'retriable','claim_id':'id'}");
  EXPECT_TRUE(Value(ledger.Find(K("retriable"))).record.has_value())
      << "its client can ask again, and may be doing so already";
}

struct Flagged : wire::Kept {
  explicit Flagged(std::atomic<bool>* f) : flag(f) {}
  ~Flagged() override { *flag = true; }
  std::atomic<bool>* const flag;
};

TEST(Listener, AsksAParkedRequestAgainWhenWokenAndHoldsLaterOnesBack) {
  Mutex mutex;
  std::function<void()> waker;
  std::atomic<int> asked{0}, later{0};
  std::atomic<bool> dropped{false};
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    if (exchange.request().target == "/later") ++later;
    if (exchange.request().target == "/park" && ++asked == 1) {
      exchange.kept = std::make_unique<Flagged>(&dropped);
      MutexLock lock(mutex);
      waker = exchange.Waker();
      return exchange.Park(std::chrono::hours(1));
    }
    Echo(response, exchange);
  });
  Client client(listener->port());
  client.Send(Get("/park") + Get("/later"));
  ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == 1; }));
  EXPECT_EQ(later, 0);
  EXPECT_FALSE(dropped);
  {
    MutexLock lock(mutex);
    waker();
    waker();  // once too often does no harm
  }
  EXPECT_EQ(client.Receive().body, "/park");
  EXPECT_EQ(client.Receive().body, "/later");
  EXPECT_EQ(asked, 2);
  EXPECT_TRUE(dropped);
  EXPECT_EQ(listener->Counts().parked, 0u);
  MutexLock lock(mutex);
  waker();  // of an answered request: nobody is asked
  EXPECT_EQ(client.Ask("GET", "/again").body, "/again");
  EXPECT_EQ(asked, 2);
}

TEST(Listener, AsksAParkedRequestAgainWhenItsTimeIsUp) {
  std::atomic<int> asked{0};
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    if (++asked < 3) return exchange.Park(milliseconds(1));
    Echo(response, exchange);
  });
  EXPECT_EQ(Client(listener->port()).Ask("GET", "/x").body, "/x");
  EXPECT_EQ(asked, 3);
}

TEST(Listener, ForgetsAParkedRequestWhoseClientHangsUp) {
  for (const bool politely : {true, false}) {
    std::atomic<bool> dropped{false};
    const auto listener = Listen([&](httplib::Response&, Exchange& exchange) {
      exchange.kept = std::make_unique<Flagged>(&dropped);
      exchange.Park(std::chrono::hours(1));
    });
    Client client(listener->port());
    client.Send(Get("/park"));
    ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == 1; }));
    politely ? client.FinishSending() : client.HangUp();
    EXPECT_TRUE(Eventually([&] { return dropped && listener->Counts().parked == 0; }));
  }
}

// The end of its input may arrive while an earlier request of it is still being served.
TEST(Listener, AnswersAllOfAClientThatHasFinishedSendingMeanwhile) {
  std::atomic<bool> go{false};
  std::atomic<bool> running{false};
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    running = true;
    if (exchange.request().target == "/blocks") {
      EXPECT_TRUE(Eventually([&] { return go.load(); }));
    }
    Echo(response, exchange);
  });
  Client client(listener->port());
  client.Send(Get("/blocks") + Get("/2"));
  client.FinishSending();
  ASSERT_TRUE(Eventually([&] { return running.load(); }));
  // Another connection's answer shows that the loops have seen what came before.
  for (int i = 0; i < 8; ++i) EXPECT_EQ(Client(listener->port()).Ask("GET", "/x").body, "/x");
  go = true;
  EXPECT_EQ(client.Receive().body, "/blocks");
  EXPECT_EQ(client.Receive().body, "/2");
}

TEST(Listener, TellsAClientThatWaitsToGoOn) {
  const auto listener = Listen(Echo);
  Client client(listener->port());
  client.Send("POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.Receive().status, 100);
  client.Send("{}");
  EXPECT_EQ(client.Receive().body, "/p{}");
}

TEST(Listener, HidesWhatAnExceptionSays) {
  const auto listener = Listen(
      [](httplib::Response&, Exchange&) { throw std::runtime_error("a secret of the machine"); });
  Client client(listener->port());
  const HttpAnswer answer = client.Ask("GET", "/");
  ExpectProblem(answer, 500, "internal_error");
  for (const auto& [name, value] : answer.headers) {
    EXPECT_EQ(value.find("secret"), std::string::npos) << name;
  }
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
}

TEST(Listener, EndsWhatDoesNotArriveInTime) {
  ListenerOptions options = OptionsFor(Echo);
  options.deadlines = {
      .head = milliseconds(100), .body = milliseconds(100), .idle = milliseconds(100)};
  const auto listener = Listen(std::move(options));
  Client half_a_head(listener->port()), half_a_body(listener->port()), idle(listener->port());
  half_a_head.Send("GET / HTTP/1.1\r\nHost:");
  half_a_body.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(half_a_head.Receive().Field("/code"), "request_timeout");
  EXPECT_EQ(half_a_body.Receive().Field("/code"), "request_timeout");
  EXPECT_TRUE(idle.SeesEnd());
}

// A byte now and then, until there is an answer.
HttpAnswer Drip(Client& client) {
  HttpAnswer answer;
  for (int i = 0; i < 1'000 && answer.status == 0; ++i) {
    client.Send("x");
    answer = client.Receive(milliseconds(20));
  }
  return answer;
}

// The deadline is for all of a head: a byte now and then does not move it.
TEST(Listener, EndsWhatArrivesByteByByte) {
  ListenerOptions options = OptionsFor(Echo);
  options.deadlines.head = milliseconds(100);
  const auto listener = Listen(std::move(options));
  Client dripping(listener->port());
  dripping.Send("GET / HTTP/1.1\r\nX: ");
  ExpectProblem(Drip(dripping), 408, "request_timeout");
}

// A byte now and then would hold a connection for all of the body's time.
TEST(Listener, EndsABodyThatComesTooSlowly) {
  ListenerOptions options = OptionsFor(Echo);
  options.deadlines.body = std::chrono::hours(1);
  options.deadlines.body_grace = milliseconds(300);
  options.deadlines.body_bytes_per_s = 1'000'000;
  const auto listener = Listen(std::move(options));
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n";
  Client dripping(listener->port());
  dripping.Send(head);
  ExpectProblem(Drip(dripping), 408, "request_timeout");
}

// What has come pays for the time it took.
TEST(Listener, TakesABodyThatKeepsThePace) {
  ListenerOptions options = OptionsFor(Echo);
  options.deadlines.body_grace = milliseconds(300);
  options.deadlines.body_bytes_per_s = 1'000;
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60001\r\n\r\n" +
              std::string(60'000, 'x'));
  EXPECT_EQ(client.Receive(milliseconds(1'000)).status, 0) << "a minute is paid for";
  client.Send("y");
  EXPECT_EQ(client.Receive().status, 200);
}

struct SippingClient : Client {
  using Client::Client;
  void Sip() {
    char byte = 0;
    (void)recv(fd(), &byte, 1, MSG_DONTWAIT);
  }
};

// The deadline is for all of an answer: a client that takes a byte now and then does not move it.
TEST(Listener, EndsAClientThatTakesItsAnswerTooSlowly) {
  ListenerOptions options = OptionsFor([](httplib::Response& response, Exchange&) {
    response.status = 200;
    response.body = std::string(32u << 20, 'x');  // more than a kernel keeps
  });
  options.deadlines.write = milliseconds(300);
  const auto listener = Listen(std::move(options));
  SippingClient slow(listener->port());
  slow.Send(Get("/big"));
  ASSERT_TRUE(Eventually([&] { return listener->Counts().requests == 1; }));
  EXPECT_TRUE(Eventually([&] {
    slow.Sip();
    return listener->Counts().connections == 0;
  }));
}

TEST(Listener, CountsTheBodiesOfParkedRequests) {
  ListenerOptions options = OptionsFor([&](httplib::Response& response, Exchange& exchange) {
    if (exchange.request().target == "/park") return exchange.Park(std::chrono::hours(1));
    Echo(response, exchange);
  });
  options.memory_max = 512 * 1024;
  const auto listener = Listen(std::move(options));
  std::deque<Client> parked;
  for (size_t i = 1; i <= 4; ++i) {
    parked.emplace_back(listener->port());
    parked.back().Send(RequestText("POST", "/park", std::string(120 * 1024, 'x')));
    ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == i; }));
    parked.back().Send("G");  // the beginning of the next one changes nothing
  }
  Client one_more(listener->port());
  one_more.Send(RequestText("POST", "/", std::string(120 * 1024, 'y')));
  ExpectProblem(one_more.Receive(), 503, "overloaded");
}

// Answers that have been sent are nobody's memory, however long their connections stay.
TEST(Listener, ForgetsAnswersThatWereSent) {
  ListenerOptions options = OptionsFor([](httplib::Response& response, Exchange&) {
    response.status = 200;
    response.body = std::string(200 * 1024, 'x');
  });
  options.memory_max = 512 * 1024;
  const auto listener = Listen(std::move(options));
  std::deque<Client> idle;
  for (int i = 0; i < 4; ++i) {
    idle.emplace_back(listener->port());
    EXPECT_EQ(idle.back().Ask("GET", "/big").body.size(), 200u * 1024);
  }
  EXPECT_EQ(Client(listener->port()).Ask("POST", "/", std::string(50 * 1024, 'y')).status, 200);
}

TEST(Listener, DrainsWhenItStops) {
  std::atomic<bool> go{false};
  std::atomic<bool> running{false};
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    running = true;
    EXPECT_TRUE(Eventually([&] { return go.load(); }));
    Echo(response, exchange);
  });
  Client client(listener->port()), idle(listener->port());
  client.Send(Get("/blocks"));
  ASSERT_TRUE(Eventually([&] { return running.load(); }));
  std::atomic<bool> finished{false};
  std::thread stopper([&] { finished = listener->Stop(kPatience); });
  EXPECT_TRUE(idle.SeesEnd());
  EXPECT_FALSE(Client(listener->port()).connected());
  go = true;
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.body, "/blocks");
  EXPECT_TRUE(client.SeesEnd());
  stopper.join();
  EXPECT_TRUE(finished);
}

TEST(Listener, AsksTheParkedOnesALastTimeWhenItStops) {
  const auto listener = Listen([&](httplib::Response& response, Exchange& exchange) {
    if (exchange.may_park()) return exchange.Park(std::chrono::hours(1));
    Echo(response, exchange);
  });
  Client client(listener->port());
  client.Send(Get("/park"));
  ASSERT_TRUE(Eventually([&] { return listener->Counts().parked == 1; }));
  std::thread stopper([&] { EXPECT_TRUE(listener->Stop(kPatience)); });
  EXPECT_EQ(client.Receive().body, "/park");
  stopper.join();
}

TEST(Listener, CutsOffWhatDoesNotFinishInTime) {
  HeldGate gate;
  std::atomic<bool> undone{false};
  ListenerOptions options = OptionsFor([&](httplib::Response& response, Exchange& exchange) {
    exchange.IfUnsent([&] { undone = true; });
    Echo(response, exchange);
  });
  options.when_durable = [&](uint64_t, std::function<void()> pass) { gate.Hold(std::move(pass)); };
  const auto listener = Listen(std::move(options));
  Client client(listener->port());
  client.Send(Get("/held"));
  ASSERT_TRUE(Eventually([&] { return gate.held() == 1; }));
  EXPECT_FALSE(listener->Stop(milliseconds(20)));
  EXPECT_TRUE(undone);
  EXPECT_TRUE(client.SeesEnd());
  gate.PassFirst();  // a gate may come late
}

// Takes every file descriptor that the process may still open.
struct AllFiles {
  AllFiles() {
    getrlimit(RLIMIT_NOFILE, &before);
    const rlimit few{.rlim_cur = 256, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    for (int fd = dup(0); fd >= 0; fd = dup(0)) taken.push_back(fd);
  }
  ~AllFiles() {
    while (!taken.empty()) GiveBackOne();
    setrlimit(RLIMIT_NOFILE, &before);
  }
  void GiveBackOne() {
    close(taken.back());
    taken.pop_back();
  }
  rlimit before{};
  std::deque<int> taken;
};

TEST(Listener, OutlivesTheLastFileDescriptor) {
  const auto listener = Listen(Echo);
  Client first(listener->port());
  EXPECT_EQ(first.Ask("GET", "/first").body, "/first");
  AllFiles all;
  all.GiveBackOne();
  Client last(listener->port());
  ASSERT_TRUE(last.connected());
  last.Send(Get("/last"));
  EXPECT_EQ(last.Receive(milliseconds(300)).status, 0) << "nothing is left to accept it with";
  EXPECT_EQ(first.Ask("GET", "/again").body, "/again") << "who is in is served";
  all.GiveBackOne();
  EXPECT_EQ(last.Receive().body, "/last");
}

// A port is taken before the store is opened, which may have much to recover.
TEST(Listener, ServesThoseWhoCameBeforeItBegan) {
  auto port = Value(wire::Port::Take("127.0.0.1", 0));
  EXPECT_EQ(FaultOf(wire::Port::Take("127.0.0.1", port->number())), Fault::kUnavailable)
      << "it is taken already";
  Client early(port->number());
  ASSERT_TRUE(early.connected());
  early.Send(Get("/early"));
  const auto listener = Value(Listener::Start(OptionsFor(Echo), std::move(port)));
  EXPECT_EQ(early.Receive().body, "/early");
}

TEST(Listener, NeverSharesItsPort) {
  const auto listener = Listen(Echo);
  ListenerOptions second = OptionsFor(Echo);
  second.port = listener->port();
  EXPECT_EQ(FaultOf(Listener::Start(std::move(second))), Fault::kUnavailable);
  ListenerOptions odd = OptionsFor(Echo);
  odd.host = "127.example";
  EXPECT_EQ(FaultOf(Listener::Start(std::move(odd))), Fault::kInvalidArgument);
}

}  // namespace
}  // namespace onced
