// SPDX-License-Identifier: MIT
// The connection layer over TLS, in this process, and what only TLS has: a handshake with a
// deadline, a goodbye, and an end without one. What plain text has as well is in transport_test.cc.
#include <gtest/gtest.h>
#include <httplib.h>
#include <openssl/ssl.h>

#include <atomic>
#include <string>

#include "tests/certificates.h"
#include "tests/listening.h"
#include "tests/streaming.h"
#include "tests/tls_client.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using wire::Exchange;
using wire::Listener;
using wire::ListenerOptions;

class TlsListener : public testing::Test {
 protected:
  TlsListener() {
    signal(SIGPIPE, SIG_IGN);  // as the program does: OpenSSL writes by write()
    here.Make("server", {.issuer = "ca"});
    here.Make("shop", {.issuer = "ca", .organization = "Shops, Ltd"});
  }
  ListenerOptions Over(ListenerOptions options, bool ask_clients = false) {
    options.tls =
        Value(wire::TlsCredentials::Load({.certificate = here.certificate("server"),
                                          .key = here.key("server"),
                                          .client_ca = ask_clients ? here.certificate("ca") : ""}));
    return options;
  }
  TlsClientOptions Believing() const { return {.authority = here.certificate("ca")}; }
  TlsClient Connect(const Listener& listener) { return {listener.port(), Believing()}; }

  CertificateFolder here;
};

TEST_F(TlsListener, PassesBodiesOnWhileTheyCome) {
  Mover mover;
  const auto listener = Listen(Over(StreamingOptions(EchoStream(&mover))));
  TlsClient client = Connect(*listener);
  const std::string body(1'000'000, 'x');
  client.Send(HeadFor("/", -1) + Chunk("begin "));
  client.Send(Chunk(body) + "0\r\n\r\n");
  EXPECT_EQ(client.Receive().body, "begin " + body);
}

// With a goodbye half an answer that ends with its connection would look like a whole one.
TEST_F(TlsListener, SaysNoGoodbyeToAClientWhoseAnswerBreaks) {
  for (const auto end : {wire::Pipe::End::kWhole, wire::Pipe::End::kBroken}) {
    const auto pipe = NewPipe();
    const auto listener =
        Listen(Over(OptionsFor([&](httplib::Response& response, wire::Exchange& exchange) {
          response.status = 200;
          exchange.StreamAnswer(pipe, std::nullopt);
        })));
    TlsClient client = Connect(*listener);
    client.Send("GET / HTTP/1.0\r\n\r\n");
    EXPECT_NE(client.ReceiveSome(), "");
    pipe->Write("half");
    EXPECT_EQ(client.ReceiveSome(), "half");
    pipe->Close(end);
    EXPECT_EQ(client.SeesEnd(), end == wire::Pipe::End::kWhole);
  }
}

TEST_F(TlsListener, SaysGoodbyeAfterTheLastAnswer) {
  const auto listener = Listen(Over(OptionsFor(Echo)));
  TlsClient client = Connect(*listener);
  client.Send(RequestText("GET", "/last", "", {{"Connection", "close"}}));
  EXPECT_EQ(client.Receive().body, "/last");
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_NE(SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
}

TEST_F(TlsListener, SaysGoodbyeToWhatIsIdleTooLong) {
  ListenerOptions options = OptionsFor(Echo);
  options.deadlines.idle = milliseconds(100);
  const auto listener = Listen(Over(std::move(options)));
  TlsClient client = Connect(*listener);
  EXPECT_EQ(client.Ask("GET", "/1").body, "/1");
  EXPECT_TRUE(client.SeesEnd());
}

// Anybody on the way can end a connection; only the other side can say that it is finished.
TEST_F(TlsListener, TakesAnEndWithoutGoodbyeForAHangUp) {
  HeldGate gate;
  std::atomic<int> undone{0};
  ListenerOptions options = OptionsFor([&](httplib::Response& response, Exchange& exchange) {
    exchange.IfUnsent([&] { ++undone; });
    Echo(response, exchange);
  });
  options.when_durable = [&](uint64_t, std::function<void()> pass) { gate.Hold(std::move(pass)); };
  const auto listener = Listen(Over(std::move(options)));
  TlsClient gone = Connect(*listener);
  gone.Send(Get("/gone"));
  ASSERT_TRUE(Eventually([&] { return gate.held() == 1; }));
  EXPECT_EQ(undone, 0);
  gone.FinishSending();  // of the socket below: it ends in good order, and says nothing
  EXPECT_TRUE(Eventually([&] { return undone == 1; }));
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
  gate.PassFirst();
}

TEST_F(TlsListener, EndsAHandshakeThatDoesNotComeInTime) {
  ListenerOptions options = OptionsFor(Echo);
  options.deadlines.handshake = milliseconds(100);
  const auto listener = Listen(Over(std::move(options)));
  Client silent(listener->port()), half(listener->port());
  half.Send("\x16\x03\x01\x02");  // the first bytes of a hello
  EXPECT_TRUE(silent.SeesEnd());
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
  EXPECT_EQ(Connect(*listener).Ask("GET", "/good").body, "/good");
}

TEST_F(TlsListener, EndsAPlainRequestCleanly) {
  const auto listener = Listen(Over(OptionsFor(Echo)));
  for (const std::string& bytes :
       {Get("/plain"), RequestText("POST", "/", std::string(100'000, 'x')), std::string("junk\n\n"),
        std::string(4'000, '\0')}) {
    Client client(listener->port());
    client.Send(bytes);
    const HttpAnswer none = client.Receive();
    EXPECT_EQ(none.status, 0);
    EXPECT_NE(none.body.find("the connection ended"), std::string::npos) << none.body;
    EXPECT_EQ(errno, 0) << "without a reset";
  }
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
}

TEST_F(TlsListener, OverPlainTextIsRefusedCleanly) {
  const auto listener = Listen(OptionsFor(Echo));
  TlsClient client(listener->port(), Believing());
  EXPECT_EQ(client.refused(), "wrong version number") << "HTTP where a hello should be";
  EXPECT_EQ(Client(listener->port()).Ask("GET", "/x").body, "/x");
}

// The client of a renegotiation makes the server work at no cost to itself.
TEST_F(TlsListener, RefusesToNegotiateAgain) {
  const auto listener = Listen(Over(OptionsFor(Echo)));
  TlsClient client(listener->port(),
                   {.authority = here.certificate("ca"), .version = TLS1_2_VERSION});
  EXPECT_EQ(client.Ask("GET", "/1").body, "/1");
  ASSERT_EQ(SSL_renegotiate(client.ssl()), 1);
  EXPECT_NE(SSL_do_handshake(client.ssl()), 1);
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
}

// New keys within a connection are a message of TLS 1.3, of which any client may send any number.
TEST_F(TlsListener, GoesOnAfterNewKeys) {
  const auto listener = Listen(Over(OptionsFor(Echo)));
  TlsClient client = Connect(*listener);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(client.Ask("GET", "/" + std::to_string(i)).body, "/" + std::to_string(i));
  }
}

TEST_F(TlsListener, NeverResumes) {
  const auto listener = Listen(Over(OptionsFor(Echo)));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(listener->port(), {.authority = here.certificate("ca"), .version = version});
    EXPECT_EQ(client.Ask("GET", "/1").body, "/1");
    const std::shared_ptr<SSL_SESSION> session(SSL_get1_session(client.ssl()), SSL_SESSION_free);
    EXPECT_EQ(SSL_SESSION_has_ticket(session.get()), 0) << version;
    EXPECT_EQ(SSL_SESSION_get_max_early_data(session.get()), 0u);
    unsigned id_size = 0;
    SSL_SESSION_get_id(session.get(), &id_size);
    EXPECT_EQ(version == TLS1_2_VERSION ? id_size : 0, 0u);
  }
}

TEST_F(TlsListener, SpeaksHttp11ToThoseWhoAsk) {
  const auto listener = Listen(Over(OptionsFor(Echo)));
  TlsClientOptions options = Believing();
  options.offers = std::string("\x02h2\x08http/1.1");
  TlsClient both(listener->port(), options);
  EXPECT_EQ(both.Ask("GET", "/1").body, "/1");
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(both.ssl(), &chosen, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size), "http/1.1");
  options.offers = std::string("\x04smtp");
  EXPECT_NE(TlsClient(listener->port(), options).refused(), "") << "another's protocol";
}

TEST_F(TlsListener, TellsTheHandlerWhoseCertificateItWas) {
  const auto serve = [&](httplib::Response& response, Exchange& exchange) {
    response.status = 200;
    response.body = exchange.peer().certificate_subject + "|" + exchange.peer().address;
  };
  const auto asking = Listen(Over(OptionsFor(serve), /*ask_clients=*/true));
  TlsClientOptions options = Believing();
  options.certificate = here.certificate("shop");
  options.key = here.key("shop");
  EXPECT_EQ(TlsClient(asking->port(), options).Ask("GET", "/").body,
            "CN=shop,O=Shops\\, Ltd|127.0.0.1");
  // Who is not asked may show one all the same: it is not looked at.
  const auto not_asking = Listen(Over(OptionsFor(serve)));
  EXPECT_EQ(TlsClient(not_asking->port(), options).Ask("GET", "/").body, "|127.0.0.1");
}

TEST_F(TlsListener, TurnsAwayAConnectionTooMany) {
  ListenerOptions options = OptionsFor(Echo);
  options.connections_max = 1;
  const auto listener = Listen(Over(std::move(options)));
  TlsClient one = Connect(*listener);
  EXPECT_EQ(one.Ask("GET", "/1").status, 200);
  TlsClient two = Connect(*listener);
  ExpectProblem(two.Receive(), 503, "overloaded");
  EXPECT_TRUE(two.SeesEnd());
}

TEST_F(TlsListener, EndsAClientThatDoesNotTakeItsAnswer) {
  ListenerOptions options = OptionsFor([](httplib::Response& response, Exchange&) {
    response.status = 200;
    response.body = std::string(32u << 20, 'x');  // more than a kernel keeps
  });
  options.deadlines.write = milliseconds(200);
  const auto listener = Listen(Over(std::move(options)));
  TlsClient client = Connect(*listener);
  client.Send(Get("/big"));
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 1; }));
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 0; }));
}

TEST_F(TlsListener, DrainsWhenItStops) {
  const auto listener = Listen(Over(OptionsFor(Echo)));
  TlsClient idle = Connect(*listener);
  EXPECT_EQ(idle.Ask("GET", "/1").body, "/1");
  Client silent(listener->port());
  EXPECT_TRUE(Eventually([&] { return listener->Counts().connections == 2; }));
  EXPECT_TRUE(listener->Stop(kPatience));
  EXPECT_TRUE(idle.SeesEnd());
  EXPECT_TRUE(silent.SeesEnd());
}

}  // namespace
}  // namespace onced
