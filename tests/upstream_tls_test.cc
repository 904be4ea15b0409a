// SPDX-License-Identifier: MIT
// Upstreams over TLS: only whom the certificates speak for hears a byte, and an end that anybody on
// the way could have made is no end of an answer.
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "tests/certificates.h"
#include "tests/raw_upstream.h"

namespace onced {
namespace {

// The server's side of TLS on one connection.
class TlsPeer {
 public:
  TlsPeer(RawPeer& peer, const CertificateFolder& folder, int version_max)
      : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free) {
    SSL_CTX_use_certificate_chain_file(context_.get(), folder.certificate("server").c_str());
    SSL_CTX_use_PrivateKey_file(context_.get(), folder.key("server").c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_max_proto_version(context_.get(), version_max);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), peer.fd());
    accepted_ = SSL_accept(ssl_.get()) == 1;
  }
  bool accepted() const { return accepted_; }
  std::string ReadHead() {
    std::string head;
    std::array<char, 1'000> bytes;
    while (!head.ends_with("\r\n\r\n")) {
      const int count = SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (count <= 0) return "";
      head.append(bytes.data(), static_cast<size_t>(count));
    }
    return head;
  }
  void Send(const std::string& bytes) {
    (void)SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  void Close() { (void)SSL_shutdown(ssl_.get()); }

 private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
  bool accepted_ = false;
};

class UpstreamTls : public testing::Test, protected UpstreamCaller {
 protected:
  UpstreamTls() {
    signal(SIGPIPE, SIG_IGN);  // OpenSSL writes where nobody is any more
    folder_.Make("server");
  }

  using Serve = std::function<void(TlsPeer&)>;
  RawUpstream::Serve Over(Serve serve, int version_max = TLS1_3_VERSION) {
    return [this, serve = std::move(serve), version_max](RawPeer& peer) {
      TlsPeer tls(peer, folder_, version_max);
      if (!tls.accepted()) return;
      accepted_.fetch_add(1);
      serve(tls);
    };
  }
  std::shared_ptr<const Origin> Trusting(const RawUpstream& upstream, const std::string& ca_file) {
    Origin origin = *upstream.origin("https");
    origin.ca_file = ca_file;
    return std::make_shared<const Origin>(origin);
  }
  std::shared_ptr<const Origin> Trusting(const RawUpstream& upstream) {
    return Trusting(upstream, folder_.certificate("server"));
  }
  CertificateFolder folder_;
  std::atomic<int> accepted_{0};
};

void AnswerAll(TlsPeer& peer) {
  while (!peer.ReadHead().empty()) peer.Send(Ok("abc"));
}

TEST_F(UpstreamTls, SpeaksToWhomItTrusts) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    RawUpstream upstream(Over(AnswerAll, version));
    const std::shared_ptr<const Origin> origin = Trusting(upstream);
    for (int i = 0; i < 3; ++i) {
      const auto heard = Call(To(origin));
      EXPECT_EQ(CallEnd::kWhole, heard->End()) << heard->why;
      EXPECT_EQ("abc", heard->body);
    }
    EXPECT_EQ(1u, upstream.connections());
  }
}

TEST_F(UpstreamTls, SendsNothingToWhomItDoesNotTrust) {
  std::atomic<int> heads{0};
  RawUpstream upstream(Over([&](TlsPeer& peer) {
    if (!peer.ReadHead().empty()) heads.fetch_add(1);
  }));
  folder_.Make("other");
  EXPECT_EQ(CallEnd::kNotSent, Call(To(upstream.origin("https")))->End());
  EXPECT_EQ(CallEnd::kNotSent, Call(To(Trusting(upstream, folder_.certificate("other"))))->End());
  EXPECT_EQ(CallEnd::kNotSent, Call(To(Trusting(upstream, folder_.path("none.pem"))))->End());
  EXPECT_EQ(0, heads.load());
}

TEST_F(UpstreamTls, RefusesOldVersions) {
  RawUpstream upstream(Over(AnswerAll, TLS1_1_VERSION));
  EXPECT_EQ(CallEnd::kNotSent, Call(To(Trusting(upstream)))->End());
  EXPECT_EQ(0, accepted_.load());
}

// libcurl 7.88 does not tell a connection that was cut from one that TLS says is over: neither is.
TEST_F(UpstreamTls, TakesNoAnswerForWholeThatAnybodyCouldHaveCut) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool says_so : {false, true}) {
      RawUpstream upstream(Over(
          [&](TlsPeer& peer) {
            (void)peer.ReadHead();
            peer.Send("HTTP/1.1 200 OK\r\n\r\nabc");
            if (says_so) peer.Close();
          },
          version));
      const auto heard = Call(To(Trusting(upstream)));
      EXPECT_EQ(CallEnd::kUnknown, heard->End());
      EXPECT_NE("", heard->why);
    }
    RawUpstream chunks(Over(
        [](TlsPeer& peer) {
          (void)peer.ReadHead();
          peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        },
        version));
    EXPECT_EQ(CallEnd::kWhole, Call(To(Trusting(chunks)))->End());
  }
}

TEST_F(UpstreamTls, NeverSendsAgainWhatAKeptConnectionLost) {
  std::atomic<int> heads{0};
  RawUpstream upstream(Over([&](TlsPeer& peer) {
    if (peer.ReadHead().empty() || heads.fetch_add(1) > 0) return;
    peer.Send(Ok("first"));
    if (!peer.ReadHead().empty()) heads.fetch_add(1);
  }));
  const std::shared_ptr<const Origin> origin = Trusting(upstream);
  EXPECT_EQ(CallEnd::kWhole, Call(To(origin))->End());
  EXPECT_EQ(CallEnd::kUnknown, Call(To(origin))->End());
  EXPECT_EQ(2, heads.load());
}

TEST_F(UpstreamTls, SaysUnknownWhenNobodyAnswersInTime) {
  RawUpstream upstream(Over([](TlsPeer& peer) {
    (void)peer.ReadHead();
    (void)peer.ReadHead();
  }));
  UpstreamRequest request = To(Trusting(upstream));
  request.deadline = std::chrono::milliseconds(500);
  EXPECT_EQ(CallEnd::kUnknown, Call(std::move(request))->End());
}

}  // namespace
}  // namespace onced
