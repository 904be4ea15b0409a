// SPDX-License-Identifier: MIT
// A flood of TLS handshakes that are begun and never ended: each costs the server a signature, the
// client next to nothing. Who has proved who he is must be served all the while, and nothing of the
// flood may stay behind.
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/certificates.h"
#include "tests/crowd.h"
#include "tests/tls_client.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The first bytes of a handshake.
std::string ClientHello() {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
  BIO* const sent = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), sent);  // both are the SSL's from here on
  SSL_connect(ssl.get());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(sent, &bytes);
  return {bytes, static_cast<size_t>(size)};
}

// Begins handshakes until it is told to stop, as fast as it can: all but a part of a hello, a hello
// whose answer nobody waits for, one whose answer is taken, and nothing at all.
class Flood {
 public:
  explicit Flood(uint16_t port) : port_(port), thread_([this] { Run(); }) {}
  ~Flood() { Stop(); }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  size_t Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return begun_;
  }
  size_t answered() const { return answered_; }

 private:
  void Run() {
    const std::string hello = ClientHello();
    while (!stop_) {
      Client client(port_);
      if (!client.connected()) continue;
      const size_t kind = begun_++ % 4;
      client.Send(kind == 0 ? hello.substr(0, hello.size() / 2) : kind == 1 ? "" : hello);
      if (kind == 3) answered_ += client.ReceiveSome().empty() ? 0 : 1;
      client.HangUp();
    }
  }

  const uint16_t port_;
  std::atomic<bool> stop_{false};
  std::atomic<size_t> begun_{0};
  std::atomic<size_t> answered_{0};
  std::thread thread_;
};

TEST(LoadOfHandshakes, ThatAreAbandonedLeavesTheOthersServed) {
  CertificateFolder certificates;
  certificates.Make("ca", {.authority = true});
  certificates.Make("server", {.issuer = "ca"});
  certificates.Make("client", {.issuer = "ca"});
  const OncedInAFolder here({"--durability", "os", "--tls-cert", certificates.certificate("server"),
                             "--tls-key", certificates.key("server"), "--tls-client-ca",
                             certificates.certificate("ca")});
  const TlsClientOptions options{.authority = certificates.certificate("ca"),
                                 .certificate = certificates.certificate("client"),
                                 .key = certificates.key("client")};
  TlsClient client(here.program.port(), options);
  ASSERT_EQ(client.refused(), "");
  const auto ask_for = [&](milliseconds time) {
    std::vector<double> times;
    const auto until = steady_clock::now() + time;
    for (auto begun = steady_clock::now(); begun < until; begun = steady_clock::now()) {
      const std::string key = "k" + std::to_string(times.size());
      const int status = client.Ask("POST", "/v1/claim", "{\"key\":\"" + key + "\"}").status;
      EXPECT_TRUE(status == 201 || status == 409) << status;
      times.push_back(Milliseconds(steady_clock::now() - begun).count());
    }
    return times;
  };
  const std::vector<double> quiet = ask_for(milliseconds(500));
  std::vector<std::unique_ptr<Flood>> floods;
  for (int i = 0; i < 4; ++i) floods.push_back(std::make_unique<Flood>(here.program.port()));
  const std::vector<double> loaded = ask_for(milliseconds(3'000));
  TlsClient late(here.program.port(), options);  // and who comes now is let in
  EXPECT_EQ(late.refused(), "");
  EXPECT_EQ(late.Ask("GET", "/livez").status, 200);
  size_t begun = 0;
  size_t answered = 0;
  for (const std::unique_ptr<Flood>& flood : floods) {
    begun += flood->Stop();
    answered += flood->answered();
  }
  std::printf("%zu handshakes were begun, %zu of them answered\n", begun, answered);
  Tell("a flood of handshakes", quiet, loaded);
  EXPECT_GT(begun, 100u);
  EXPECT_GT(answered, 10u);
  EXPECT_GT(loaded.size(), 20u);
  EXPECT_LT(P99(loaded), 1'000);
  const auto open_files = [&] {
    const std::filesystem::directory_iterator files("/proc/" + std::to_string(here.program.pid()) +
                                                    "/fd");
    return std::distance(begin(files), end(files));
  };
  const auto usual = [&] { return open_files() < 100; };
  EXPECT_TRUE(Eventually(usual)) << open_files() << " files stay open";
}

}  // namespace
}  // namespace onced
