// SPDX-License-Identifier: MIT
// The command line: what is asked for arrives whole, what is wrong ends with exit code 2.
#include "server/options.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/gateway/origin.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

using std::chrono::milliseconds;

using Environment = std::vector<std::string>;

Options Parse(const std::vector<std::string>& args, const Environment& environment = {}) {
  return ParseCommandLine(args, environment);
}

ServeOptions Serve(std::vector<std::string> flags) {
  flags.insert(flags.begin(), "serve");
  const Options options = Parse(flags);
  if (const auto* serve = std::get_if<ServeOptions>(&options)) return *serve;
  ADD_FAILURE() << "refused: " << flags.back();
  return {};
}

// The exit code; -1 when it was accepted.
int CodeOf(const std::vector<std::string>& args) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  const Options options = Parse(args);
  (void)testing::internal::GetCapturedStdout();
  (void)testing::internal::GetCapturedStderr();
  const auto* finished = std::get_if<Finished>(&options);
  return finished == nullptr ? -1 : finished->exit_code;
}

// What is said on stderr about the flags of serve; each of them is refused with exit code 2.
std::string Complaint(std::vector<std::string> flags) {
  flags.insert(flags.begin(), "serve");
  testing::internal::CaptureStderr();
  const Options options = Parse(flags);
  std::string said = testing::internal::GetCapturedStderr();
  const auto* finished = std::get_if<Finished>(&options);
  if (finished == nullptr) return "accepted";
  EXPECT_EQ(finished->exit_code, kExitUsage);
  return said;
}
std::string Complaint(const std::string& flag, const std::string& value) {
  return Complaint({flag, value});
}

TEST(Options, AreSafeByDefault) {
  const ServeOptions o = Serve({});
  EXPECT_EQ(o.host, "127.0.0.1");
  EXPECT_EQ(o.port, 6623);
  EXPECT_EQ(o.data, "onced-data");
  EXPECT_EQ(o.durability, Durability::kSync);
  EXPECT_EQ(o.sync_interval, milliseconds(100));
  EXPECT_EQ(o.lease, milliseconds(30'000));
  EXPECT_EQ(o.retention, milliseconds(86'400'000));
  EXPECT_EQ(o.audit_retention, milliseconds(86'400'000));
  EXPECT_EQ(o.unknown_retention, milliseconds(0));
  EXPECT_TRUE(o.audit);
  EXPECT_EQ(o.footprint, Footprint::kServer);
  EXPECT_FALSE(o.accept_data_loss);
  EXPECT_EQ(o.tokens, "");
  EXPECT_FALSE(o.insecure_no_auth);
  EXPECT_EQ(o.tls.certificate + o.tls.key + o.tls.client_ca, "");
  EXPECT_FALSE(o.insecure_plaintext);
  EXPECT_EQ(o.limits.head_bytes, 16u * 1024);
  EXPECT_EQ(o.limits.headers, 64u);
  EXPECT_EQ(o.limits.path_bytes, 1024u);
  EXPECT_EQ(o.limits.body_bytes, 1024u * 1024);
  EXPECT_EQ(o.connections_max, 10'000u);
  EXPECT_EQ(o.deadlines.handshake, milliseconds(5'000));
  EXPECT_EQ(o.deadlines.head, milliseconds(10'000));
  EXPECT_EQ(o.deadlines.body, milliseconds(30'000));
  EXPECT_EQ(o.deadlines.body_bytes_per_s, 1'024u);
  EXPECT_EQ(o.deadlines.idle, milliseconds(60'000));
  EXPECT_EQ(o.deadlines.write, milliseconds(30'000));
}

TEST(Options, OfTheListenerArriveAsGiven) {
  const ServeOptions o = Serve({"--tls-cert",          "cert.pem", "--tls-key",         "key.pem",
                                "--tls-client-ca",     "ca.pem",   "--head-bytes-max",  "4KiB",
                                "--headers-max",       "10",       "--path-bytes-max",  "100",
                                "--body-bytes-max",    "2MiB",     "--connections-max", "7",
                                "--handshake-timeout", "1s",       "--head-timeout",    "2s",
                                "--body-timeout",      "3s",       "--idle-timeout",    "4m",
                                "--write-timeout",     "500ms"});
  EXPECT_EQ(o.tls.certificate, "cert.pem");
  EXPECT_EQ(o.tls.key, "key.pem");
  EXPECT_EQ(o.tls.client_ca, "ca.pem");
  EXPECT_EQ(o.limits.head_bytes, 4'096u);
  EXPECT_EQ(o.limits.headers, 10u);
  EXPECT_EQ(o.limits.path_bytes, 100u);
  EXPECT_EQ(o.limits.body_bytes, 2u * 1024 * 1024);
  EXPECT_EQ(o.connections_max, 7u);
  EXPECT_EQ(o.deadlines.handshake, milliseconds(1'000));
  EXPECT_EQ(o.deadlines.head, milliseconds(2'000));
  EXPECT_EQ(o.deadlines.body, milliseconds(3'000));
  EXPECT_EQ(o.deadlines.idle, milliseconds(240'000));
  EXPECT_EQ(o.deadlines.write, milliseconds(500));
  EXPECT_TRUE(Serve({"--insecure-plaintext"}).insecure_plaintext);
}

TEST(Options, HoldSizesAndCountsToTheirLimits) {
  const struct {
    const char* flag;
    const char* least;
    const char* most;
    std::vector<const char*> beyond;
  } table[] = {
      {"--head-bytes-max", "1KiB", "1MiB", {"1023", "1048577", "2MiB", "0"}},
      {"--path-bytes-max", "64", "8KiB", {"63", "8193"}},
      {"--body-bytes-max", "1024", "16MiB", {"1023", "17MiB", "18446744073709551615MiB"}},
      {"--headers-max", "8", "1000", {"7", "1001", "8KiB"}},
      {"--connections-max", "1", "1000000", {"0", "1000001", "1KiB"}},
      {"--waiters-max", "0", "1000000", {"-1", "1000001", "many"}},
      {"--waiters-per-key-max", "0", "1000000", {"-1", "1000001", ""}},
  };
  for (const auto& [flag, least, most, beyond] : table) {
    EXPECT_EQ(Complaint(flag, least), "accepted") << flag;
    EXPECT_EQ(Complaint(flag, most), "accepted") << flag;
    for (const char* bad : beyond) {
      EXPECT_NE(Complaint(flag, bad).find("must be "), std::string::npos) << flag << " " << bad;
    }
    for (const char* bad : {"", "KiB", "-1", "+1024", "1 KiB", "1kib", "1K", "1.5KiB", "0x400",
                            "1024B", "99999999999999999999"}) {
      EXPECT_NE(Complaint(flag, bad).find("must be "), std::string::npos) << flag << " " << bad;
    }
  }
}

// The example was once "512, 16KiB or 1MiB" for every size, and what it advised was refused again.
TEST(Options, GiveAnExampleThatTheyAccept) {
  for (const char* flag :
       {"--head-bytes-max", "--path-bytes-max", "--body-bytes-max", "--lease", "--retention",
        "--sync-interval", "--audit-retention", "--unknown-retention", "--handshake-timeout",
        "--head-timeout", "--body-timeout", "--idle-timeout", "--write-timeout"}) {
    const std::string said = Complaint(flag, "nonsense");
    const std::string lead = "such as ";
    const size_t at = said.find(lead);
    ASSERT_NE(at, std::string::npos) << said;
    const size_t begin = at + lead.size();
    const std::string example = said.substr(begin, said.find_first_of(" ,\n", begin) - begin);
    EXPECT_EQ(Complaint(flag, example), "accepted") << flag << " " << example;
  }
}

// Half a pair would be a port that its operator believes to be safe.
TEST(Options, OfTlsGoTogether) {
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--tls-cert", "c"},
                                             {"--tls-key", "k"},
                                             {"--tls-key", "k", "--tls-client-ca", "a"},
                                             {"--tls-client-ca", "a"}}) {
    EXPECT_NE(Complaint(flags).find("--tls-cert and --tls-key"), std::string::npos) << flags[0];
  }
  const std::string both = Complaint({"--tls-cert", "c", "--tls-key", "k", "--insecure-plaintext"});
  EXPECT_NE(both.find("contradicts"), std::string::npos) << both;
}

TEST(Options, NameBothWaysOutOfServingOthersInPlainText) {
  const std::vector<std::string> others = {"--http", "0.0.0.0:80", "--insecure-no-auth"};
  const std::string said = Complaint(others);
  EXPECT_NE(said.find("--tls-cert and --tls-key"), std::string::npos) << said;
  EXPECT_NE(said.find("--insecure-plaintext"), std::string::npos) << said;
  for (const std::vector<std::string>& way_out : std::vector<std::vector<std::string>>{
           {"--tls-cert", "c", "--tls-key", "k"}, {"--insecure-plaintext"}}) {
    std::vector<std::string> flags = others;
    flags.insert(flags.end(), way_out.begin(), way_out.end());
    EXPECT_EQ(Complaint(flags), "accepted") << way_out[0];
    flags.erase(flags.begin() + 2);
    EXPECT_NE(Complaint(flags).find("--tokens"), std::string::npos) << "each rule stands alone";
  }
}

TEST(Options, ArriveAsGiven) {
  const ServeOptions o = Serve({"--http",
                                "127.0.0.2:0",
                                "--data",
                                "d",
                                "--durability",
                                "interval",
                                "--sync-interval",
                                "5ms",
                                "--lease",
                                "2m",
                                "--retention",
                                "3d",
                                "--audit",
                                "off",
                                "--audit-retention",
                                "1h",
                                "--unknown-retention",
                                "7d",
                                "--footprint",
                                "edge",
                                "--accept-data-loss"});
  EXPECT_EQ(o.host, "127.0.0.2");
  EXPECT_EQ(o.port, 0);
  EXPECT_EQ(o.data, "d");
  EXPECT_EQ(o.durability, Durability::kInterval);
  EXPECT_EQ(o.sync_interval, milliseconds(5));
  EXPECT_EQ(o.lease, milliseconds(120'000));
  EXPECT_EQ(o.retention, milliseconds(259'200'000));
  EXPECT_EQ(o.audit_retention, milliseconds(3'600'000));
  EXPECT_EQ(o.unknown_retention, milliseconds(604'800'000));
  EXPECT_FALSE(o.audit);
  EXPECT_EQ(o.footprint, Footprint::kEdge);
  EXPECT_TRUE(o.accept_data_loss);
  EXPECT_EQ(Serve({"--durability=os"}).durability, Durability::kOs);
}

TEST(Options, TakeOnlyLoopbackUnlessToldOtherwise) {
  EXPECT_EQ(Serve({"--http", "localhost:80"}).host, "127.0.0.1");
  EXPECT_EQ(Serve({"--http", "[::1]:80"}).host, "::1");
  EXPECT_EQ(Serve({"--http", "127.0.0.1:65535"}).port, 65535);
  for (const char* foreign :
       {"0.0.0.0:80", "[::]:80", "10.0.0.1:80", "192.168.0.1:80", "[::2]:80"}) {
    EXPECT_NE(Complaint("--http", foreign).find("loopback"), std::string::npos)
        << foreign << ": " << Complaint("--http", foreign);
  }
  // Nobody is looked up.
  for (const char* name :
       {":80", "example.com:80", "127.evil.com:80", "127.0.0.1.nip.io:1", "*:80", "foo:80"}) {
    EXPECT_NE(Complaint("--http", name).find("--http: must be HOST:PORT"), std::string::npos)
        << name << ": " << Complaint("--http", name);
    EXPECT_NE(Complaint("--http", name).find("HOST is an IP address"), std::string::npos) << name;
  }
}

// Strangers can reach any other address: somebody must have said who may call.
TEST(Options, AskWhoMayCallWhereStrangersCan) {
  for (const char* address : {"0.0.0.0:80", "[::]:80", "10.0.0.1:80", "192.168.0.1:80"}) {
    const std::string said = Complaint("--http", address);
    EXPECT_NE(said.find("--tokens"), std::string::npos) << said;
    EXPECT_NE(said.find("--insecure-no-auth"), std::string::npos) << said;
  }
  EXPECT_EQ(Serve({"--tokens", "t.toml"}).tokens, "t.toml");
  EXPECT_TRUE(Serve({"--insecure-no-auth"}).insecure_no_auth);
  EXPECT_EQ(CodeOf({"serve", "--tokens", "t", "--insecure-no-auth"}), kExitUsage);
  EXPECT_EQ(CodeOf({"serve", "--tokens", ""}), kExitUsage);
}

TEST(Options, NameTheTenantOfANewToken) {
  const Options given = Parse({"token", "new", "--tenant", "shop", "--role", "admin"});
  EXPECT_EQ(std::get<NewTokenOptions>(given).caller.tenant, "shop");
  EXPECT_EQ(std::get<NewTokenOptions>(given).caller.role, Role::kAdmin);
  const Options plain = Parse({"token", "new", "--tenant", "shop"});
  EXPECT_EQ(std::get<NewTokenOptions>(plain).caller.role, Role::kApp);
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"token"},
                                             {"token", "new"},
                                             {"token", "new", "--tenant", ""},
                                             {"token", "new", "--tenant", "a b"},
                                             {"token", "new", "--tenant", std::string(65, 'n')},
                                             {"token", "new", "--tenant", "a", "--role", "root"}}) {
    EXPECT_EQ(CodeOf(args), kExitUsage) << args.back();
  }
}

TEST(Options, WantAHostAndAPort) {
  for (const char* bad :
       {"", "127.0.0.1", "6623", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:80x", "127.0.0.1: 80", "127.0.0.1:+80"}) {
    EXPECT_NE(Complaint("--http", bad).find("HOST:PORT"), std::string::npos)
        << bad << ": " << Complaint("--http", bad);
  }
}

TEST(Options, HoldDurationsToTheirLimits) {
  const struct {
    const char* flag;
    const char* least;
    const char* most;
    std::vector<const char*> beyond;
  } table[] = {{"--sync-interval", "1ms", "60s", {"0ms", "0s", "60001ms", "2m"}},
               {"--lease", "100ms", "1h", {"99ms", "0s", "3600001ms", "2h"}},
               {"--retention", "1s", "30d", {"999ms", "31d", "2592000001ms"}},
               {"--audit-retention", "1s", "30d", {"999ms", "31d"}},
               {"--unknown-retention", "0ms", "30d", {"31d"}},
               {"--handshake-timeout", "100ms", "1h", {"99ms", "2h"}},
               {"--head-timeout", "100ms", "1h", {"0ms", "2h"}},
               {"--body-timeout", "100ms", "1h", {"0ms", "2h"}},
               {"--idle-timeout", "100ms", "1h", {"0ms", "2h"}},
               {"--write-timeout", "100ms", "1h", {"0ms", "2h"}}};
  for (const auto& [flag, least, most, beyond] : table) {
    EXPECT_EQ(Complaint(flag, least), "accepted");
    EXPECT_EQ(Complaint(flag, most), "accepted");
    for (const char* bad : beyond) {
      EXPECT_NE(Complaint(flag, bad).find("must be "), std::string::npos) << flag << " " << bad;
    }
    for (const char* bad : {"", "5", "s", "-5s", "+5s", "5 s", "5S", "1.5s", "5w", "5sec",
                            "99999999999999999999s", "9223372036854775807d"}) {
      EXPECT_NE(Complaint(flag, bad).find("must be "), std::string::npos) << flag << " " << bad;
    }
  }
}

// CLI11 takes --FLAG=false for a flag that was given: it opened a folder whose data was missing.
TEST(Options, ThatAreFlagsTakeNoValue) {
  for (const char* flag : {"--accept-data-loss", "--insecure-no-auth", "--insecure-plaintext"}) {
    for (const char* value : {"=false", "=off", "=0"}) {
      EXPECT_EQ(CodeOf({"serve", std::string(flag) + value}), kExitUsage) << flag << value;
    }
  }
}

TEST(Options, HoldChoicesToTheirNames) {
  for (const char* flag : {"--durability", "--audit", "--footprint"}) {
    for (const char* bad : {"", "Sync", "none", "true", "on,off"}) {
      EXPECT_NE(Complaint(flag, bad).find("must be one of"), std::string::npos) << flag << bad;
    }
  }
}

TEST(Options, ThatAreNoneEndWithUsage) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{},
                                             {"sreve"},
                                             {"serve", "--dta", "x"},
                                             {"serve", "extra"},
                                             {"serve", "--data"},
                                             {"serve", "--lease"},
                                             {"--data", "x"},
                                             {"clock"},
                                             {"clock", "reject"},
                                             {"serve", "--data", "a", "--data", "b"},
                                             {"serve", "--data", ""},
                                             {"clock", "accept", "--data", ""}}) {
    EXPECT_EQ(CodeOf(args), kExitUsage) << (args.empty() ? "none" : args.back());
  }
}

TEST(Options, OpenNoGatewayUnlessAsked) {
  const GatewayOptions gateway = Serve({}).gateway;
  EXPECT_FALSE(gateway.enabled);
  EXPECT_EQ(gateway.principal, PrincipalSource::kUnset);
  EXPECT_TRUE(gateway.routes.empty());
}

TEST(Options, NeedOneLineForAGateway) {
  const GatewayOptions gateway = Serve({"--gateway", "127.0.0.2", "--upstream", "http://[::1]:3000",
                                        "--lease", "9s", "--retention", "2h"})
                                     .gateway;
  EXPECT_TRUE(gateway.enabled);
  EXPECT_EQ(gateway.host, "127.0.0.2");
  EXPECT_EQ(gateway.port, 6680);
  ASSERT_EQ(gateway.routes.size(), 1u);
  const Route& route = gateway.routes[0];
  EXPECT_EQ(route.name, "default");
  EXPECT_EQ(route.prefix, "/");
  EXPECT_EQ(route.methods, (std::vector<std::string>{"POST", "PATCH"}));
  EXPECT_EQ(route.origin->url, "http://[::1]:3000");
  EXPECT_NE(route.breaker, nullptr);
  EXPECT_EQ(route.lease, milliseconds(9'000));
  EXPECT_EQ(route.retention, milliseconds(7'200'000));
  EXPECT_EQ(Serve({"--gateway", "[::1]:0", "--upstream", "unix:/s"}).gateway.port, 0);
}

TEST(Options, OfTheGatewayGoTogether) {
  const std::vector<std::string> upstream = {"--upstream", "http://a"};
  EXPECT_NE(Complaint(upstream).find("--upstream: needs --gateway"), std::string::npos);
  EXPECT_NE(Complaint("--gateway", "127.0.0.1").find("--gateway: needs --upstream"),
            std::string::npos);
  EXPECT_NE(Complaint("--gateway-principal", "none").find("needs --gateway"), std::string::npos);
  EXPECT_NE(Complaint("--gateway-principal", "tokens").find("did you mean token?"),
            std::string::npos);
  EXPECT_NE(Complaint("--upstream", "http://a/b").find("--upstream: "), std::string::npos);
  for (const char* bad : {"", "::1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536"}) {
    EXPECT_NE(Complaint("--gateway", bad).find("HOST:PORT"), std::string::npos) << bad;
  }
  EXPECT_EQ(CodeOf({"serve", "--config", ""}), kExitUsage);
}

TEST(Options, LeadNoGatewayToItselfOrToLinkLocal) {
  for (const char* upstream : {"http://127.0.0.1:6680", "http://localhost:6680"}) {
    EXPECT_NE(Complaint({"--gateway", "127.0.0.1", "--upstream", upstream})
                  .find("is the gateway's own address"),
              std::string::npos)
        << upstream;
  }
  const std::vector<std::string> everywhere = {
      "--gateway", "0.0.0.0", "--gateway-principal", "none", "--insecure-plaintext", "--upstream"};
  const auto from_everywhere = [&everywhere](const char* upstream) {
    std::vector<std::string> flags = everywhere;
    flags.emplace_back(upstream);
    return Complaint(flags);
  };
  EXPECT_NE(from_everywhere("http://127.0.0.2:6680").find("own address"), std::string::npos);
  EXPECT_EQ(from_everywhere("http://10.0.0.1:6680"), "accepted");
  EXPECT_NE(
      Complaint({"--gateway", "[::1]", "--upstream", "http://[::1]:6680"}).find("own address"),
      std::string::npos);
  for (const char* upstream : {"http://127.0.0.2:6680", "http://127.0.0.1", "unix:/a:6680"}) {
    EXPECT_EQ(Complaint({"--gateway", "127.0.0.1", "--upstream", upstream}), "accepted");
  }
  EXPECT_NE(Complaint({"--gateway", "127.0.0.1", "--upstream", "http://169.254.169.254"})
                .find("--upstream: is a link-local address"),
            std::string::npos);
}

// A flag is what was said last, and nearest.
TEST(Options, GoBeforeTheConfigurationFile) {
  const TempFolder folder;
  const std::string file = folder.path("onced.toml");
  const std::string routes =
      "[[gateway.upstream]]\nname = \"a\"\nurl = \"http://a\"\n"
      "[[gateway.route]]\nname = \"r\"\nprefix = \"/\"\nupstream = \"a\"\nlease = \"5s\"\n";
  WriteFile(file, "[gateway]\nlisten = \"127.0.0.3:1\"\nprincipal = \"header:X-A\"\n" + routes);
  const ServeOptions given = Serve({"--config", file, "--retention", "3s", "--lease", "4s"});
  EXPECT_EQ(given.gateway.host, "127.0.0.3");
  EXPECT_EQ(given.gateway.port, 1);
  EXPECT_EQ(given.gateway.principal_header, "X-A");
  ASSERT_EQ(given.gateway.routes.size(), 1u);
  EXPECT_EQ(given.gateway.routes[0].retention, milliseconds(3'000));
  EXPECT_EQ(given.gateway.routes[0].lease, milliseconds(5'000)) << "the route's own word";

  const ServeOptions flags =
      Serve({"--config", file, "--gateway", "127.0.0.4:2", "--gateway-principal", "none"});
  EXPECT_EQ(flags.gateway.host, "127.0.0.4");
  EXPECT_EQ(flags.gateway.port, 2);
  EXPECT_EQ(flags.gateway.principal, PrincipalSource::kNone);
  EXPECT_EQ(flags.gateway.principal_header, "");
  EXPECT_NE(Complaint({"--config", file, "--upstream", "http://b"}).find("routes of its own"),
            std::string::npos);

  WriteFile(file, routes);
  EXPECT_NE(Complaint("--config", file).find("needs --gateway ADDR"), std::string::npos);
  EXPECT_TRUE(Serve({"--config", file, "--gateway", "127.0.0.1"}).gateway.enabled);
  WriteFile(file, "[gateway]\nlisten = \"127.0.0.1\"\nwait = 1\n");
  EXPECT_NE(Complaint("--config", file).find("onced.toml:3:1: wait: there is no such setting"),
            std::string::npos);
  EXPECT_NE(Complaint("--config", folder.path("none")).find("No such file"), std::string::npos);
}

// Where strangers can reach the gateway, nobody's answers are shown to everybody by default.
TEST(Options, AskWhoseAKeyIsWhereStrangersCan) {
  const auto said = [](std::vector<std::string> more) {
    more.insert(more.end(), {"--upstream", "http://a", "--insecure-plaintext"});
    return Complaint(std::move(more));
  };
  for (const char* address : {"0.0.0.0", "[::]:80", "10.0.0.1:80"}) {
    const std::string none = said({"--gateway", address});
    for (const char* choice : {"--gateway-principal: ", "--tokens", "--tls-client-ca",
                               "header:NAME", "trusted_proxies", "none"}) {
      EXPECT_NE(none.find(choice), std::string::npos) << address << ": " << none;
    }
    EXPECT_EQ(said({"--gateway", address, "--gateway-principal", "none"}), "accepted");
  }
  EXPECT_EQ(said({"--gateway", "127.0.0.1"}), "accepted");
  for (const char* address : {"127.0.0.1", "0.0.0.0"}) {
    const auto by = [&](const char* principal, std::vector<std::string> more = {}) {
      more.insert(more.end(), {"--gateway", address, "--gateway-principal", principal});
      return said(std::move(more));
    };
    EXPECT_NE(by("token").find("token needs --tokens"), std::string::npos) << address;
    EXPECT_EQ(by("token", {"--tokens", "t"}), "accepted") << address;
    EXPECT_NE(by("certificate").find("certificate needs --tls-client-ca"), std::string::npos);
  }
  EXPECT_EQ(said({"--gateway", "127.0.0.1", "--gateway-principal", "header:X-A"}), "accepted");
  EXPECT_NE(said({"--gateway", "0.0.0.0", "--gateway-principal", "header:X-A"})
                .find("only from trusted_proxies"),
            std::string::npos);
  const TempFolder folder;
  WriteFile(folder.path("f"), "[gateway]\ntrusted_proxies = [\"10.0.0.1\"]\n");
  EXPECT_EQ(said({"--config", folder.path("f"), "--gateway", "0.0.0.0", "--gateway-principal",
                  "header:X-A"}),
            "accepted");
  EXPECT_EQ(Complaint({"--gateway", "0.0.0.0", "--gateway-principal", "certificate", "--upstream",
                       "http://a", "--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "a"}),
            "accepted");
}

TEST(Options, ServeTheGatewayToOthersInPlainTextOnlyWhenTold) {
  const std::vector<std::string> others = {
      "--gateway", "0.0.0.0", "--upstream", "http://a", "--gateway-principal", "none"};
  const std::string said = Complaint(others);
  EXPECT_NE(said.find("--gateway: beyond loopback"), std::string::npos) << said;
  EXPECT_NE(said.find("--tls-cert and --tls-key"), std::string::npos) << said;
  EXPECT_NE(said.find("--insecure-plaintext"), std::string::npos) << said;
}

TEST(Options, AnswerQuestionsWithZero) {
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"--version"}, {"--help"}, {"serve", "--help"}, {"clock", "accept", "--help"}}) {
    EXPECT_EQ(CodeOf(args), kExitOk) << args.back();
  }
}

TEST(Options, AcceptTheClockOfAFolder) {
  const Options given = Parse({"clock", "accept", "--data", "d"});
  EXPECT_EQ(std::get<AcceptClockOptions>(given).data, "d");
  EXPECT_EQ(std::get<AcceptClockOptions>(Parse({"clock", "accept"})).data, "onced-data");
}

TEST(Options, OpenTheRedisDoorWhereAnAddressSays) {
  EXPECT_EQ(Serve({"--redis", "127.0.0.1:7000"}).redis->port, 7000);
  EXPECT_EQ(Serve({"--redis", "127.0.0.1"}).redis->port, 6379);
  EXPECT_EQ(CodeOf({"serve", "--redis", "6379"}), 2) << "a port alone";
  EXPECT_EQ(CodeOf({"serve", "--redis-scripts", "on"}), 2) << "for no door";
  EXPECT_EQ(CodeOf({"serve", "--redis", "127.0.0.1", "--redis-scripts", "maybe"}), 2);
  EXPECT_FALSE(Serve({"--redis", "127.0.0.1", "--redis-scripts", "off"}).redis_scripts.value());
}

}  // namespace
}  // namespace onced
