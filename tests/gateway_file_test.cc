// SPDX-License-Identifier: MIT
// The gateway's section of the configuration file: the example in the documentation arrives whole,
// setting by setting, and whatever is wrong is named by its place.
#include "server/gateway/gateway_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/gateway/breaker.h"
#include "server/gateway/origin.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

void Write(const std::string& path, const std::string& text, mode_t mode) {
  WriteFile(path, text);
  ASSERT_EQ(chmod(path.c_str(), mode), 0);
}

// The block of TOML in GATEWAY.md.
std::string Example() {
  const std::string text = ReadFile(std::string(ONCED_SOURCE_DIR) + "/server/GATEWAY.md");
  const size_t begin = text.find("```toml\n");
  const size_t end = text.find("```\n", begin + 8);
  if (begin == std::string::npos || end == std::string::npos) return "there is none";
  return text.substr(begin + 8, end - begin - 8);
}

// The files that an example names, beside it.
struct Surroundings {
  Surroundings() {
    Write(At("derive.key"), "0123456789abcdef\n", 0600);
    Write(At("payments-ca.pem"), "a certificate\n", 0644);
  }
  std::string At(const std::string& name) const { return folder.path(name); }
  TempFolder folder;
};

// As it is read within the whole file (server/serve_table.cc), where `file` stands.
Status ReadAt(const std::string& file, const std::string& text, const Route& unless_said,
              GatewayOptions* gateway) {
  const Result<Setting> whole = ParseSettings(text, file);
  if (!whole.ok()) return whole.status();
  Faults faults(file);
  Settings sections(*whole, &faults);
  if (const Setting* section = sections.Find("gateway"); section != nullptr) {
    ReadGatewaySection(*section, file, unless_said, &faults, gateway);
  }
  sections.End();
  return faults.First();
}

Status Load(const std::string& text, GatewayOptions* gateway) {
  Surroundings around;
  return ReadAt(around.At("onced.toml"), text, Route(), gateway);
}

GatewayOptions Read(const std::string& text) {
  GatewayOptions gateway;
  const Status status = Load(text, &gateway);
  EXPECT_TRUE(status.ok()) << status.message();
  return gateway;
}

// What is said against it, after the name of the file; "" when nothing is.
std::string Complaint(const std::string& text) {
  GatewayOptions gateway;
  const Status status = Load(text, &gateway);
  if (status.ok()) return "";
  const size_t name = status.message().find("onced.toml:");
  return name == std::string::npos ? status.message() : status.message().substr(name + 11);
}

void ExpectPayments(const Route& route) {
  EXPECT_EQ(route.name, "payments");
  EXPECT_EQ(route.prefix, "/v1/payments");
  EXPECT_EQ(route.methods, (Texts{"POST", "PUT", "DELETE"}));
  EXPECT_TRUE(route.key_required);
  EXPECT_EQ(route.key_headers, Texts{"X-Request-Key"});
  EXPECT_EQ(route.key_pointer.value().text(), "/meta/request_id");
  EXPECT_EQ(route.scope, "money");
  EXPECT_TRUE(route.fingerprint.method);
  EXPECT_TRUE(route.fingerprint.target);
  EXPECT_FALSE(route.fingerprint.content_type);
  EXPECT_TRUE(route.fingerprint.body);
  EXPECT_EQ(route.fingerprint.headers, Texts{"X-Account"});
  ASSERT_EQ(route.fingerprint.body_excludes.size(), 1U);
  EXPECT_EQ(route.fingerprint.body_excludes[0].text(), "/meta/sent_at");
  EXPECT_EQ(route.retention, milliseconds(7 * kDayMs));
  EXPECT_EQ(route.lease, milliseconds(kMinuteMs));
  EXPECT_EQ(route.deadline, milliseconds(90'000));
  EXPECT_EQ(route.wait, milliseconds(5'000));
  EXPECT_EQ(route.profile, Profile::kStripeV1);
  EXPECT_EQ(route.statuses,
            (std::map<int, Keep>{{500, Keep::kUnknown}, {4, Keep::kRelease}, {404, Keep::kStore}}));
  EXPECT_EQ(route.unknown_release_after, milliseconds(kHourMs));
  EXPECT_EQ(route.replay_headers, Texts{"X-Ledger-Id"});
  EXPECT_FALSE(route.store_body);
  EXPECT_EQ(route.stored_body_max, 256u * 1024);
  EXPECT_TRUE(route.shadow);
  EXPECT_EQ(route.downstream_key, DownstreamKey::kDerive);
  EXPECT_EQ(route.derive_secret, "0123456789abcdef") << "without the end of its line";
}

void ExpectUsual(const Route& route) {
  const Route usual;
  EXPECT_EQ(route.methods, (Texts{"POST", "PATCH"}));
  EXPECT_FALSE(route.key_required);
  EXPECT_EQ(route.key_headers, Texts());
  EXPECT_FALSE(route.key_pointer.has_value());
  EXPECT_EQ(route.scope + route.derive_secret, "");
  EXPECT_TRUE(route.fingerprint.method && route.fingerprint.target &&
              route.fingerprint.content_type && route.fingerprint.body);
  EXPECT_EQ(route.retention, milliseconds(kDayMs));
  EXPECT_EQ(route.lease, milliseconds(30'000));
  EXPECT_EQ(route.deadline, milliseconds(60'000));
  EXPECT_EQ(route.wait, milliseconds(2'000));
  EXPECT_EQ(route.profile, Profile::kProxySafe);
  EXPECT_TRUE(route.statuses.empty() && route.replay_headers.empty());
  EXPECT_EQ(route.unknown_release_after, milliseconds(0));
  EXPECT_TRUE(route.store_body);
  EXPECT_EQ(route.stored_body_max, 1024u * 1024);
  EXPECT_FALSE(route.shadow);
  EXPECT_EQ(route.downstream_key, DownstreamKey::kPass);
}

TEST(GatewayFile, ReadsTheWholeExampleOfItsDocumentation) {
  const Surroundings around;
  GatewayOptions gateway;
  const Status loaded = ReadAt(around.At("onced.toml"), Example(), Route(), &gateway);
  ASSERT_TRUE(loaded.ok()) << loaded.message();
  EXPECT_TRUE(gateway.enabled);
  EXPECT_EQ(gateway.host, "127.0.0.1");
  EXPECT_EQ(gateway.port, 6680);
  EXPECT_EQ(gateway.principal, PrincipalSource::kHeader);
  EXPECT_EQ(gateway.principal_header, "X-User-Id");
  EXPECT_EQ(gateway.trusted_proxies, Texts{"10.0.0.7"});
  EXPECT_TRUE(gateway.raw_targets);
  ASSERT_EQ(gateway.routes.size(), 2u);

  ExpectPayments(gateway.routes[0]);
  const Origin& payments = *gateway.routes[0].origin;
  EXPECT_EQ(payments.url, "https://payments.internal:8443");
  EXPECT_EQ(payments.ca_file, around.At("payments-ca.pem"));
  EXPECT_TRUE(payments.allow_link_local);
  EXPECT_EQ(payments.connect_timeout, milliseconds(2'000));

  EXPECT_EQ(gateway.routes[1].name, "orders");
  EXPECT_EQ(gateway.routes[1].prefix, "/v1");
  ExpectUsual(gateway.routes[1]);
  const Origin& orders = *gateway.routes[1].origin;
  EXPECT_EQ(orders.unix_socket, "/run/orders.sock");
  EXPECT_FALSE(orders.allow_link_local);
  EXPECT_EQ(orders.ca_file, "");
  EXPECT_EQ(orders.connect_timeout, milliseconds(5'000));
  EXPECT_NE(gateway.routes[0].breaker, gateway.routes[1].breaker);
}

constexpr char kUpstream[] = "[[gateway.upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n";

// A route in a file that is right: `more` begins on line 8.
std::string WithRoute(const std::string& more) {
  return std::string(kUpstream) +
         "[[gateway.route]]\nname = \"r\"\nprefix = \"/r\"\nupstream = \"a\"\n" + more;
}
// An upstream likewise: `more` begins on line 4.
std::string WithUpstream(const std::string& more) { return kUpstream + more; }

TEST(GatewayFile, GivesABreakerItsLimits) {
  const std::string breaker =
      "breaker = { failures_in_row = 3, open_for = \"7s\", failure_rate = 1, window = \"1s\" }\n";
  const GatewayOptions gateway = Read(WithUpstream(breaker) +
                                      "[[gateway.route]]\nname = \"r\"\nprefix = \"/r\"\n"
                                      "upstream = \"a\"\n[[gateway.route]]\nname = \"s\"\n"
                                      "prefix = \"/s\"\nupstream = \"a\"\n");
  ASSERT_EQ(gateway.routes.size(), 2u);
  EXPECT_EQ(gateway.routes[0].origin, gateway.routes[1].origin);
  Breaker& one = *gateway.routes[0].breaker;
  ASSERT_EQ(&one, gateway.routes[1].breaker.get()) << "one upstream, one breaker";
  const Breaker::TimePoint now = std::chrono::steady_clock::now();
  for (int failure = 1; failure <= 3; ++failure) {
    EXPECT_EQ(one.RefusedFor(now), std::nullopt) << "before failure " << failure;
    one.Failed(now);
  }
  EXPECT_EQ(one.RefusedFor(now), milliseconds(7'000));
}

TEST(GatewayFile, BeginsARouteWithWhatTheCommandLineSaid) {
  Route unless_said;
  unless_said.retention = milliseconds(5'000);
  GatewayOptions gateway;
  const Status parsed = ReadAt("f", WithRoute("lease = \"5s\""), unless_said, &gateway);
  ASSERT_TRUE(parsed.ok()) << parsed.message();
  EXPECT_EQ(gateway.routes[0].retention, milliseconds(5'000));
  EXPECT_EQ(gateway.routes[0].lease, milliseconds(5'000));
}

TEST(GatewayFile, MayHoldNothing) {
  EXPECT_EQ(Complaint(""), "");
  EXPECT_EQ(Complaint("[gateway]\n"), "");
  EXPECT_FALSE(Read("").enabled) << "nothing is opened that nobody asked for";
  EXPECT_FALSE(Read(WithRoute("")).enabled);
  EXPECT_EQ(Read("[gateway]\nlisten = \"127.0.0.1\"\n").port, 6680);
  EXPECT_EQ(Read("[gateway]\nlisten = \"[::1]:1\"\n").host, "::1");
}

TEST(GatewayFile, KnowsEachWayToTellWhoAsks) {
  const auto said = [](const std::string& word) {
    return Read("[gateway]\nprincipal = \"" + word + "\"\n");
  };
  EXPECT_EQ(Read("").principal, PrincipalSource::kUnset);
  EXPECT_EQ(said("none").principal, PrincipalSource::kNone);
  EXPECT_EQ(said("token").principal, PrincipalSource::kToken);
  EXPECT_EQ(said("certificate").principal, PrincipalSource::kCertificate);
  EXPECT_EQ(said("header:X-User").principal, PrincipalSource::kHeader);
  EXPECT_EQ(said("header:X-User").principal_header, "X-User");
  EXPECT_EQ(said("header:Authorization").principal_header, "Authorization");
}

TEST(GatewayFile, WritesProxiesAsThePeersAddressIsWritten) {
  EXPECT_EQ(Read("[gateway]\ntrusted_proxies = [\"10.0.0.1\", \"2001:DB8:0::1\", "
                 "\"::ffff:10.0.0.2\"]\n")
                .trusted_proxies,
            (Texts{"10.0.0.1", "2001:db8::1", "10.0.0.2"}));
}

struct Row {
  std::string text;
  const char* complaint;
};

void ExpectComplaints(const std::vector<Row>& table) {
  for (const auto& [text, complaint] : table) {
    EXPECT_TRUE(Complaint(text).starts_with(complaint))
        << text << "\n-> " << Complaint(text) << "\nand not " << complaint;
  }
}

TEST(GatewayFile, NamesThePlaceOfWhatIsWrongWithItself) {
  ExpectComplaints({
      {"[gatway]\n", "1:2: gatway: there is no such setting; did you mean gateway?"},
      {"gateway = 1\n", "1:11: gateway: must be a table"},
      {"[[gateway]]\n", "1:1: gateway: must be a table"},
      {"[gateway]\nlisten = 6680\n", "2:10: listen: must be a string"},
      {"[gateway]\nlisten = \"\"\n", "2:10: listen: must be HOST or HOST:PORT; HOST is"},
      {"[gateway]\nlisten = \"a:b\"\n", "2:10: listen: must be HOST or HOST:PORT; HOST is"},
      {"[gateway]\nlisten = \"::1\"\n", "2:10: listen: must be HOST or HOST:PORT; HOST is"},
      {"[gateway]\nlistn = \"\"\n", "2:1: listn: there is no such setting; did you mean listen?"},
      {"[gateway]\nxyzzy = 1\n", "2:1: xyzzy: there is no such setting"},
      {"[gateway]\nprincipal = \"tokn\"\n",
       "2:13: principal: must be \"token\", \"certificate\", \"header:NAME\" or \"none\"; did you "
       "mean token?"},
      {"[gateway]\nprincipal = \"header:\"\n", "2:13: principal: header:NAME must name"},
      {"[gateway]\nprincipal = \"header:a b\"\n", "2:13: principal: header:NAME must name"},
      {"[gateway]\nprincipal = \"header:cookie\"\n", "2:13: principal: header:NAME must name"},
      {"[gateway]\nprincipal = true\n", "2:13: principal: must be a string"},
      {"[gateway]\nraw_targets = \"yes\"\n", "2:15: raw_targets: must be true or false"},
      {"[gateway]\ntrusted_proxies = \"10.0.0.1\"\n", "2:19: trusted_proxies: must be a list"},
      {"[gateway]\ntrusted_proxies = [\"proxy\"]\n", "2:20: trusted_proxies: must be IP addr"},
      {"[gateway]\ntrusted_proxies = [1]\n", "2:20: trusted_proxies: must be a list of strings"},
      {"[gateway]\nroute = 1\n", "2:9: route: write it as [[gateway.route]]"},
      {"[gateway]\nroute = [1]\n", "2:10: route: write it as [[gateway.route]]"},
      {"[gateway]\nupstream = {}\n", "2:12: upstream: write it as [[gateway.upstream]]"},
      {"[gateway\n", "1:"},
      {"[gateway]\nlisten = \"a\"\nlisten = \"b\"\n", "3:"},
  });
}

TEST(GatewayFile, NamesThePlaceOfWhatIsWrongWithAnUpstream) {
  ExpectComplaints({
      {"[[gateway.upstream]]\nurl = \"http://a\"\n", "1:1: name: is required"},
      {"[[gateway.upstream]]\nname = \"a\"\n", "1:1: url: is required"},
      {"[[gateway.upstream]]\nname = \"A\"\n", "2:8: name: must be 1..32 of a-z, 0-9 and -"},
      {"[[gateway.upstream]]\nname = \"\"\n", "2:8: name: must be 1..32"},
      {"[[gateway.upstream]]\nname = \"a\"\nurl = \"ftp://a\"\n", "3:7: url: "},
      {"[[gateway.upstream]]\nname = \"a\"\nurl = \"http://a/path\"\n", "3:7: url: "},
      {WithUpstream(kUpstream), "5:8: name: is another upstream's too"},
      {WithUpstream("uri = 1"), "4:1: uri: there is no such setting; did you mean url?"},
      {WithUpstream("ca_file = \"payments-ca.pem\""), "4:11: ca_file: is only for an upstream at"},
      {"[[gateway.upstream]]\nname = \"a\"\nurl = \"https://a\"\nca_file = \"no.pem\"\n",
       "4:11: ca_file: no.pem: No such file"},
      {WithUpstream("allow_link_local = 1"), "4:20: allow_link_local: must be true or false"},
      {WithUpstream("connect_timeout = \"5\""), "4:19: connect_timeout: must be 10ms..1m"},
      {WithUpstream("connect_timeout = \"2m\""), "4:19: connect_timeout: must be 10ms..1m"},
      {WithUpstream("breaker = 5"), "4:11: breaker: must be a table"},
      {WithUpstream("breaker = { failures = 5 }"),
       "4:13: failures: there is no such setting; did you mean failures_in_row?"},
      {WithUpstream("breaker = { failures_in_row = 0 }"), "4:31: failures_in_row: must be 1..100"},
      {WithUpstream("breaker = { failure_rate = 0 }"), "4:28: failure_rate: must be 0.01..1"},
      {WithUpstream("breaker = { failure_rate = 1.5 }"), "4:28: failure_rate: must be 0.01..1"},
      {WithUpstream("breaker = { failure_rate = nan }"), "4:28: failure_rate: must be 0.01..1"},
      {WithUpstream("breaker = { failure_rate = \"1\" }"), "4:28: failure_rate: must be 0.01"},
      {WithUpstream("breaker = { rate_calls_min = -1 }"), "4:30: rate_calls_min: must be 1..1"},
      {WithUpstream("breaker = { window = \"10ms\" }"), "4:22: window: must be 100ms..1h"},
      {WithUpstream("breaker = { open_for = \"2h\" }"), "4:24: open_for: must be 100ms..1h"},
  });
}

TEST(GatewayFile, NamesThePlaceOfWhatIsWrongWithARoutesRequests) {
  const std::string second = "[[gateway.route]]\nupstream = \"a\"\n";  // lines 8 and 9
  const auto prefix = [&second](const std::string& text) {
    return WithRoute(second + "name = \"s\"\nprefix = '" + text + "'\n");
  };
  ExpectComplaints({
      {WithRoute(second), "8:1: name: is required"},
      {WithRoute(second + "name = \"s\"\n"), "8:1: prefix: is required"},
      {WithRoute(second + "name = \"s\"\nprefx = \"/\"\n"),
       "11:1: prefx: there is no such setting; did you mean prefix?"},
      {WithRoute(second + "name = \"r\"\nprefix = \"/s\"\n"), "10:8: name: is another route's too"},
      {WithRoute(second + "name = \"a_b\"\n"), "10:8: name: must be 1..32 of a-z, 0-9 and -"},
      {prefix("/r"), "11:10: prefix: is another route's too"},
      {prefix(""), "11:10: prefix: must begin with /"},
      {prefix("pay"), "11:10: prefix: must begin with /"},
      {prefix("/pay/"), "11:10: prefix: must not end with /"},
      {prefix("//"), "11:10: prefix: must not end with /"},
      {prefix("/a//b"), "11:10: prefix: must not hold empty segments"},
      {prefix("/a/./b"), "11:10: prefix: must not hold empty segments or dot segments"},
      {prefix("/a/.."), "11:10: prefix: must not hold empty segments or dot segments"},
      {prefix("/%61"), "11:10: prefix: must not hold an escape"},
      {prefix("/a?b"), "11:10: prefix: must be a path, without a query"},
      {prefix("/a b"), "11:10: prefix: must be a path"},
      {prefix("/a\\b"), "11:10: prefix: must be a path"},
      {prefix("/" + std::string(255, 'a')), "11:10: prefix: must be 1..255 characters"},
      {"[[gateway.route]]\nname = \"r\"\nprefix = \"/r\"\n", "1:1: upstream: is required"},
      {std::string(kUpstream) +
           "[[gateway.route]]\nname = \"r\"\nprefix = \"/\"\nupstream = \"b2\"",
       "7:12: upstream: no [[gateway.upstream]] has this name"},
      {WithRoute("methods = []"), "8:11: methods: must name at least one"},
      {WithRoute("methods = \"POST\""), "8:11: methods: must be a list of strings"},
      {WithRoute("methods = [\"GET\"]"), "8:12: methods: GET never carries a key"},
      {WithRoute("methods = [\"TRACE\"]"), "8:12: methods: TRACE never carries a key"},
      {WithRoute("methods = [\"post\"]"), "8:12: methods: must be methods in capitals"},
      {WithRoute("methods = [\"PO ST\"]"), "8:12: methods: must be methods in capitals"},
      {WithRoute("methods = [\"POST\", \"POST\"]"), "8:20: methods: \"POST\" is in the list twice"},
      {WithRoute("key = true"), "8:7: key: must be one of \"required\", \"optional\""},
      {WithRoute("key = \"require\""),
       "8:7: key: must be one of \"required\", \"optional\"; did you mean required?"},
      {WithRoute("key_headers = [\"a b\"]"), "8:16: key_headers: must be names of headers"},
      {WithRoute("key_headers = [\"\"]"), "8:16: key_headers: must be names of headers"},
      {WithRoute("key_headers = [\"cookie\"]"), "8:16: key_headers: cookie cannot carry a key"},
      {WithRoute("key_headers = [\"Host\"]"), "8:16: key_headers: Host cannot carry a key"},
      {WithRoute("key_headers = [\"Authorization\"]"), "8:16: key_headers: Authorization cannot"},
      {WithRoute("key_headers = [\"Content-Length\"]"), "8:16: key_headers: Content-Length cannot"},
      {WithRoute("key_headers = [\"idempotency-key\"]"), "8:16: key_headers: Idempotency-Key is "},
      {WithRoute("key_pointer = \"id\""), "8:15: key_pointer: must be a JSON pointer, such as"},
      {WithRoute("key_pointer = \"\""), "8:15: key_pointer: must be a JSON pointer, such as"},
      {WithRoute("key_pointer = \"/a~2\""), "8:15: key_pointer: must be a JSON pointer: ~ is"},
      {WithRoute("key_pointer = \"/a~\""), "8:15: key_pointer: must be a JSON pointer: ~ is"},
      {WithRoute("scope = \"a:b\""), "8:9: scope: must be 1..32 of a-z, 0-9 and -"},
      {WithRoute("fingerprint = [\"path\"]"), "8:16: fingerprint: must be of \"method\", "},
      {WithRoute("fingerprint_headers = [\"TE\"]"), "8:24: fingerprint_headers: TE is about"},
      {WithRoute("fingerprint_headers = [\":\"]"), "8:24: fingerprint_headers: must be names"},
      {WithRoute("fingerprint_body_excludes = [\"a\"]"), "8:30: fingerprint_body_excludes: must"},
      {WithRoute("fingerprint = []\nfingerprint_body_excludes = [\"/a\"]"),
       "9:29: fingerprint_body_excludes: the body does not count"},
  });
}

TEST(GatewayFile, NamesThePlaceOfWhatIsWrongWithARoutesAnswers) {
  ExpectComplaints({
      {WithRoute("retention = \"999ms\""), "8:13: retention: must be 1s..30d, such as 30s"},
      {WithRoute("retention = 5"), "8:13: retention: must be 1s..30d"},
      {WithRoute("lease = \"99ms\""), "8:9: lease: must be 100ms..1h"},
      {WithRoute("deadline = \"2h\""), "8:12: deadline: must be 100ms..1h"},
      {WithRoute("wait = \"31s\""), "8:8: wait: must be 0ms..30s"},
      {WithRoute("profile = \"stripe\""),
       "8:11: profile: must be one of \"proxy-safe\", \"ietf\", \"stripe-v1\"; did you mean "
       "stripe-v1?"},
      {WithRoute("statuses = 500"), "8:12: statuses: must be a table"},
      {WithRoute("statuses = { \"500\" = \"keep\" }"), "8:22: 500: must be one of \"store\", "},
      {WithRoute("statuses = { \"500\" = 1 }"), "8:22: 500: must be one of \"store\", "},
      {WithRoute("statuses = { \"600\" = \"store\" }"), "8:14: 600: must be a status, 200..599"},
      {WithRoute("statuses = { \"1xx\" = \"store\" }"), "8:14: 1xx: must be a status, 200..599"},
      {WithRoute("statuses = { \"4XX\" = \"store\" }"), "8:14: 4XX: must be a status, 200..599"},
      {WithRoute("statuses = { \"20 \" = \"store\" }"), "8:14: 20 : must be a status, 200..599"},
      {WithRoute("statuses = { 5000 = \"store\" }"), "8:14: 5000: must be a status, 200..599"},
      {WithRoute("unknown_release_after = \"31d\""), "8:25: unknown_release_after: must be 0ms.."},
      {WithRoute("store_body = \"no\""), "8:14: store_body: must be true or false"},
      {WithRoute("stored_body_max = 0"), "8:19: stored_body_max: must be 1..8MiB"},
      {WithRoute("stored_body_max = \"9MiB\""), "8:19: stored_body_max: must be 1..8MiB"},
      {WithRoute("stored_body_max = -1"), "8:19: stored_body_max: must be 1..8MiB"},
      {WithRoute("shadow = 1"), "8:10: shadow: must be true or false"},
      {WithRoute("downstream_key = \"hash\""), "8:18: downstream_key: must be one of \"pass\", "},
      {WithRoute("downstream_key = \"derive\""), "4:1: derive_secret_file: is required"},
      {WithRoute("derive_secret_file = \"derive.key\""), "8:22: derive_secret_file: is only for"},
  });
}

TEST(GatewayFile, NeverLetsARouteKeepWhatIsNotForTheNext) {
  for (const std::string name : {"Set-Cookie",
                                 "set-cookie",
                                 "Connection",
                                 "Keep-Alive",
                                 "Transfer-Encoding",
                                 "Content-Length",
                                 "Trailer",
                                 "Upgrade",
                                 "Date",
                                 "Access-Control-Allow-Origin",
                                 "access-control-max-age",
                                 "WWW-Authenticate",
                                 "Proxy-Authenticate",
                                 "Server",
                                 "Alt-Svc",
                                 "Strict-Transport-Security",
                                 "traceparent",
                                 "X-Request-Id",
                                 "Idempotent-Replayed",
                                 "Idempotency-Status",
                                 "Onced-Policy",
                                 "Age"}) {
    EXPECT_TRUE(Complaint(WithRoute("replay_headers = [\"" + name + "\"]"))
                    .starts_with("8:19: replay_headers: " + name + " is never kept"))
        << name << ": " << Complaint(WithRoute("replay_headers = [\"" + name + "\"]"));
  }
  EXPECT_EQ(Complaint(WithRoute("replay_headers = [\"Retry-After\", \"X-Cookie\"]")), "");
  EXPECT_TRUE(Complaint(WithRoute("replay_headers = [\"a:b\"]"))
                  .starts_with("8:19: replay_headers: must be names of headers"));
}

TEST(GatewayFile, TellsTheFirstOfSeveralWrongs) {
  ExpectComplaints({
      {WithRoute("wait = 1\nlease = 1\nbogus = 1\n"), "8:8: wait: "},
      {WithRoute("bogus = 1\nwait = 1\n"), "8:1: bogus: "},
      {"[[gateway.route]]\nnam = \"r\"\n", "2:1: nam: there is no such setting; did you mean name"},
  });
}

// A secret that others can read is none, and one that can be guessed is none either.
TEST(GatewayFile, TakesASecretOnlyFromItsOwnersFile) {
  const std::string route =
      WithRoute("downstream_key = \"derive\"\nderive_secret_file = \"secret\"");
  const struct {
    std::string text;
    mode_t mode;
    const char* complaint;
  } table[] = {
      {"0123456789abcdef", 0600, ""},
      {"0123456789abcdef\r\n", 0400, ""},
      {"0123456789abcdef", 0640, "secret: its mode is 0640"},
      {"0123456789abcdef", 0604, "secret: its mode is 0604"},
      {"0123456789abcde\n", 0600, "secret: it holds fewer than 16 bytes"},
      {"", 0600, "secret: it holds fewer than 16 bytes"},
      {std::string(5'000, 's'), 0600, "secret: it is larger than 4 KiB"},
  };
  for (const auto& [text, mode, complaint] : table) {
    TempFolder folder;
    Write(folder.path("secret"), text, mode);
    GatewayOptions gateway;
    const Status read = ReadAt(folder.path("f.toml"), route, Route(), &gateway);
    EXPECT_EQ(read.ok(), std::string(complaint).empty()) << complaint << read.message();
    if (read.ok()) {
      EXPECT_EQ(gateway.routes[0].derive_secret, "0123456789abcdef");
    } else {
      EXPECT_NE(read.message().find(std::string("f.toml:9:22: derive_secret_file: ") + complaint),
                std::string::npos)
          << read.message();
      EXPECT_EQ(read.message().find("0123"), std::string::npos) << "no byte of it is told";
    }
  }
  EXPECT_TRUE(Complaint(route).starts_with("9:22: derive_secret_file: secret: No such file"));
}

}  // namespace
}  // namespace onced
