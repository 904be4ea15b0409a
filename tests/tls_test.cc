// SPDX-License-Identifier: MIT
// The program over TLS, seen by clients that are not ours: what openssl s_client and curl are
// given, and what they are refused.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/certificates.h"
#include "tests/tls_client.h"

namespace onced {
namespace {

// What a command says, on stdout and stderr.
std::string OutputOf(const std::string& command) {
  const auto end = [](FILE* f) { pclose(f); };
  const std::unique_ptr<FILE, decltype(end)> pipe(
      popen(("(timeout 20 " + command + ") 2>&1").c_str(), "re"), end);
  std::string said;
  char buffer[4096];
  for (size_t size = 0; (size = fread(buffer, 1, sizeof buffer, pipe.get())) > 0;) {
    said.append(buffer, size);
  }
  return said;
}

void ExpectSaid(const std::string& said, const std::string& words, const std::string& who) {
  EXPECT_NE(said.find(words), std::string::npos) << who << ": no \"" << words << "\" in " << said;
}

class TlsProgram : public testing::Test {
 protected:
  TlsProgram() {
    here.Make("server", {.issuer = "ca"});
    here.Make("clients-ca", {.authority = true});
  }
  std::vector<std::string> Flags(bool ask_clients = false) const {
    std::vector<std::string> flags = {"--tls-cert", here.certificate("server"), "--tls-key",
                                      here.key("server")};
    if (ask_clients) flags.insert(flags.end(), {"--tls-client-ca", here.certificate("clients-ca")});
    return flags;
  }
  // One request by s_client, with these arguments more.
  std::string Ask(const Program& program, const std::string& arguments) const {
    return OutputOf("openssl s_client -ign_eof -connect 127.0.0.1:" +
                    std::to_string(program.port()) + " -CAfile " + here.certificate("ca") +
                    " -verify_return_error " + arguments + " < " + here.path("request"));
  }
  std::string With(const std::string& name) const {
    return "-cert " + here.certificate(name) + " -key " + here.key(name) + " ";
  }
  void SetUp() override {
    here.Write("request", "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  }

  CertificateFolder here;
  TempFolder data;
};

TEST_F(TlsProgram, SpeaksItsTwoVersionsAndNothingOlder) {
  const Program program(data.path(), Flags());
  ExpectSaid(program.Said(), "try: curl --cacert CERT --json", "the banner");
  const std::string any_cipher = " -cipher ALL:@SECLEVEL=0";
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    const std::string said = Ask(program, version);
    ExpectSaid(said, "HTTP/1.1 200", version);
    ExpectSaid(said, "Verify return code: 0 (ok)", version);
    ExpectSaid(said, "Compression: NONE", version);
    EXPECT_EQ(said.find("New Session Ticket"), std::string::npos) << said;
    EXPECT_EQ(said.find("TLS session ticket:"), std::string::npos) << said;
  }
  for (const char* version : {"-tls1", "-tls1_1"}) {
    const std::string said = Ask(program, version + any_cipher);
    ExpectSaid(said, "alert protocol version", version);
    EXPECT_EQ(said.find("HTTP/1.1"), std::string::npos) << said;
  }
}

TEST_F(TlsProgram, RefusesWeakCiphers) {
  const Program program(data.path(), Flags());
  for (const std::string weak :
       {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-NULL-SHA",
        "AES256-GCM-SHA384", "AES128-SHA", "NULL-SHA256", "AECDH-AES128-SHA", "ADH-AES128-SHA256",
        "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM8"}) {
    const std::string said = Ask(program, "-tls1_2 -cipher " + weak + ":@SECLEVEL=0");
    ExpectSaid(said, "alert handshake failure", weak);
    EXPECT_EQ(said.find("HTTP/1.1"), std::string::npos) << said;
  }
  for (const std::string strong : {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                   "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    ExpectSaid(Ask(program, "-tls1_2 -cipher " + strong), "HTTP/1.1 200", strong);
  }
  ExpectSaid(Ask(program, "-groups P-521"), "alert handshake failure", "P-521");
}

TEST_F(TlsProgram, TakesOnlyClientsOfItsAuthority) {
  here.Make("good", {.issuer = "clients-ca"});
  here.Make("other-ca", {.authority = true});
  here.Make("stranger", {.issuer = "other-ca"});
  here.Make("itself");
  here.Make("over", {.issuer = "clients-ca", .valid_for_s = -60});
  const Program program(data.path(), Flags(/*ask_clients=*/true));
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    ExpectSaid(Ask(program, With("good") + version), "HTTP/1.1 200", "good");
    const struct {
      std::string arguments;
      std::string alert;
    } refused[] = {
        {version, version == "-tls1_3" ? "certificate required" : "alert handshake failure"},
        {With("stranger") + version, "alert unknown ca"},
        {With("itself") + version, "alert"},
        {With("over") + version, "alert certificate expired"}};
    for (const auto& [arguments, alert] : refused) {
      const std::string said = Ask(program, arguments);
      ExpectSaid(said, alert, arguments);
      EXPECT_EQ(said.find("HTTP/1.1"), std::string::npos) << said;
    }
  }
}

TEST_F(TlsProgram, ServesCurlFromTheClaimToTheReplay) {
  const Program program(data.path(), Flags());
  const auto post = [&](const std::string& call, const std::string& json) {
    return OutputOf("curl -sS --cacert " + here.certificate("ca") + " --json '" + Json(json) +
                    "' https://127.0.0.1:" + std::to_string(program.port()) + "/v1/" + call);
  };
  const HttpAnswer won{.body = post("claim", "{'key':'order'}")};
  EXPECT_EQ(won.Field("/outcome"), "claimed") << won.body;
  const HttpAnswer done{.body = post("complete", "{'key':'order','fence':'" + won.Field("/fence") +
                                                     "','result':{'paid':true}}")};
  EXPECT_EQ(done.Field("/outcome"), "completed") << done.body;
  const HttpAnswer again{.body = post("claim", "{'key':'order'}")};
  EXPECT_EQ(again.Field("/outcome"), "replay") << again.body;
  EXPECT_EQ(again.Field("/result/paid"), "true") << again.body;
}

TEST_F(TlsProgram, ClosesOnAPlainRequest) {
  const Program program(data.path(), Flags());
  const HttpAnswer none = program.Ask("GET", "/livez");
  EXPECT_EQ(none.status, 0);
  EXPECT_NE(none.body.find("the connection ended"), std::string::npos) << none.body;
  ExpectSaid(Ask(program, ""), "HTTP/1.1 200", "TLS goes on");
}

TEST_F(TlsProgram, EndsAHandshakeThatNeverComes) {
  std::vector<std::string> flags = Flags();
  flags.insert(flags.end(), {"--handshake-timeout", "200ms"});
  const Program program(data.path(), flags);
  EXPECT_TRUE(program.Connect().SeesEnd());
}

TEST_F(TlsProgram, ReadsItsFilesAgainAtTheSignal) {
  const Program program(data.path(), Flags());
  const auto name_served = [&] {
    return TlsClient(program.port(), {.authority = here.certificate("ca")}).ServerName();
  };
  TlsClient old_one(program.port(), {.authority = here.certificate("ca")});
  EXPECT_EQ(old_one.ServerName(), "server");
  here.Make("renewed", {.issuer = "ca"});
  namespace fs = std::filesystem;
  fs::rename(here.certificate("renewed"), here.certificate("server"));
  fs::rename(here.key("renewed"), here.key("server"));
  program.Signal(SIGHUP);
  const auto signalled = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually([&] { return name_served() == "renewed"; }));
  EXPECT_LT(std::chrono::steady_clock::now() - signalled, std::chrono::seconds(1));
  EXPECT_EQ(old_one.Ask("GET", "/livez").status, 200) << "who is in stays";

  // A certificate of another key, as when only one of two files was renewed.
  here.Make("half", {.issuer = "ca"});
  fs::rename(here.certificate("half"), here.certificate("server"));
  program.Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] {
    return program.Said().find("reload: --tls-key") != std::string::npos;
  })) << program.Said();
  EXPECT_EQ(name_served(), "renewed") << "what was good stays";

  // The signal's thread opened a pipe, waited for its writer, and SIGTERM was heard no more.
  fs::remove(here.certificate("server"));
  ASSERT_EQ(mkfifo(here.certificate("server").c_str(), 0600), 0);
  program.Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] {
    return program.Said().find("not a regular file") != std::string::npos;
  })) << program.Said();
  EXPECT_EQ(name_served(), "renewed");
}

TEST_F(TlsProgram, DoesNotStartWithFilesThatCannotBeUsed) {
  const auto start = [&](const std::vector<std::string>& tls_flags) {
    std::vector<std::string> args = {"serve", "--http", "127.0.0.1:0", "--data", data.path()};
    args.insert(args.end(), tls_flags.begin(), tls_flags.end());
    return Program::Run(args);
  };
  namespace fs = std::filesystem;
  fs::permissions(here.key("server"), static_cast<fs::perms>(0644));
  const Ended open_key = start(Flags());
  EXPECT_EQ(open_key.code, 2);
  ExpectSaid(open_key.err, here.key("server"), "mode");
  ExpectSaid(open_key.err, "0644", "mode");
  EXPECT_FALSE(fs::exists(data.path())) << "nothing was touched";
  const Ended half = start({"--tls-cert", here.certificate("server")});
  EXPECT_EQ(half.code, 2);
  ExpectSaid(half.err, "--tls-key", "half a pair");
}

// Otherwise the operator learns of it when the limit is met.
TEST(FileLimit, IsSaidAtStartWhenItIsTooLow) {
  const TempFolder data;
  // It is told to stop when it has said the last line of its banner.
  const std::string said =
      OutputOf("bash -c 'ulimit -n 200; exec 3< <(exec " + std::string(ONCED_PROGRAM) +
               " serve --log-format text --http 127.0.0.1:0 --data " + data.path() +
               " 2>&1); onced=$!; while read -r line <&3; do echo \"$line\";"
               " [[ $line != try:* ]] || kill -TERM $onced; done'");
  ExpectSaid(said, "ulimit -Hn) is 200: too few for --connections-max 10000", "start");
  ExpectSaid(said, "stopped", "it serves all the same");
}

}  // namespace
}  // namespace onced
