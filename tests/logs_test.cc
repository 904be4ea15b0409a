// SPDX-License-Identifier: MIT
// What onced tells of itself and of single requests: lines on stderr, the last requests in memory,
// and the names by which a request is found again.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/gateway.h"
#include "tests/held_stderr.h"
#include "tests/tenants.h"

namespace onced {
namespace {

using Json = nlohmann::json;

std::vector<Json> LinesOf(const std::string& said) {
  std::vector<Json> lines;
  for (size_t at = 0; at < said.size();) {
    const size_t end = said.find('\n', at);
    if (end == said.npos) break;  // still being written
    lines.push_back(Json::parse(said.substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

std::vector<Json> Named(const std::vector<Json>& lines, const std::string& event) {
  std::vector<Json> found;
  for (const Json& line : lines) {
    if (line["event"] == event) found.push_back(line);
  }
  return found;
}

// `onced serve`, its stderr at one end of a pipe, and its port chosen here.
class Piped {
 public:
  explicit Piped(const std::vector<std::string>& flags = {}) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    std::vector<std::string> words = {ProgramPath(), "serve",
                                      "--http",      "127.0.0.1:" + std::to_string(port_),
                                      "--data",      folder_.path("data")};
    words.insert(words.end(), flags.begin(), flags.end());
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::vector<char*> argv;
      for (std::string& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      dup2(ends[1], STDERR_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ends[1]);
    err_ = ends[0];
    EXPECT_TRUE(Eventually([&] {
      Client client(port_);
      return client.connected() && client.Ask("GET", "/readyz").status == 200;
    }));
  }
  ~Piped() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    CloseStderr();
  }
  Piped(const Piped&) = delete;
  Piped& operator=(const Piped&) = delete;

  Client Connect() const { return Client(port_); }
  void CloseStderr() {
    if (err_ >= 0) close(err_);
    err_ = -1;
  }
  // Its exit code, after SIGTERM.
  int Stop() {
    kill(pid_, SIGTERM);
    int how = 0;
    EXPECT_TRUE(Eventually([&] { return waitpid(pid_, &how, WNOHANG) == pid_; }));
    pid_ = -1;
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
  }
  std::string ReadAll() {
    std::string all;
    char buffer[65'536];
    for (;;) {
      const ssize_t size = read(err_, buffer, sizeof buffer);
      if (size <= 0) return all;
      all.append(buffer, static_cast<size_t>(size));
    }
  }

 private:
  const TempFolder folder_;
  const uint16_t port_ = FreePort();
  pid_t pid_ = -1;
  int err_ = -1;
};

TEST(Logs, AreLinesOfJsonWhereNobodyReadsThemByEye) {
  Piped here;
  EXPECT_EQ(here.Stop(), 0);
  const std::vector<Json> lines = LinesOf(here.ReadAll());
  ASSERT_EQ(Named(lines, "listening").size(), 1U);
  EXPECT_TRUE(
      Named(lines, "listening")[0]["url"].get<std::string>().starts_with("http://127.0.0.1:"));
  EXPECT_EQ(Named(lines, "ready").size(), 1U);
  EXPECT_EQ(Named(lines, "drain_start").size(), 1U);
  EXPECT_EQ(lines.back()["event"], "stopped") << "the last words come out";
}

TEST(Logs, TellWhyItDidNotStart) {
  const OncedInAFolder here;
  const Ended ended =
      Program::Run({"serve", "--http", "127.0.0.1:0", "--data", here.folder.path()});
  EXPECT_EQ(ended.code, 4);
  const std::vector<Json> lines = LinesOf(ended.err);
  ASSERT_EQ(Named(lines, "start_failed").size(), 1U) << ended.err;
  EXPECT_EQ(lines.back()["level"], "error");
  const Ended usage = Program::Run({"serve", "--log-format", "xml"});
  EXPECT_EQ(usage.code, 2);
  EXPECT_NE(usage.err.find("--log-format"), std::string::npos) << usage.err;
}

TEST(Logs, ADiskThatHangsHoldsUpNoLastWords) {
  const OncedInAFolder here;
  const HeldStderr disk;
  disk.Hold();
  const Ended ended =
      Program::Run({"serve", "--http", "127.0.0.1:0", "--data", here.folder.path()});
  EXPECT_EQ(ended.code, 4);
}

std::vector<Json> RequestLines(const std::vector<std::string>& flags) {
  const TempFolder folder;
  std::vector<std::string> all = {"--log-format", "json", "--durability", "os"};
  all.insert(all.end(), flags.begin(), flags.end());
  Program program(folder.path(), all);
  (void)program.Ask("POST", "/v1/claim", R"({"key":"a"})");
  (void)program.Ask("POST", "/v1/claim", R"({"key":"a","wait_ms":300})");
  (void)program.Ask("GET", "/v1/keys/a");
  (void)program.Ask("GET", "/livez");
  (void)program.Ask("HEAD", "/healthz");
  (void)program.Ask("GET", "/readyz/log_sync");
  (void)program.Ask("GET", "/metrics");
  (void)program.Ask("GET", "/nowhere");
  const Ended ended = program.Stop();
  std::vector<Json> lines;
  for (const char* event : {"request", "request_error", "slow_request", "probe"}) {
    for (const Json& line : Named(LinesOf(ended.err), event)) lines.push_back(line);
  }
  return lines;
}

TEST(Logs, TellOfNoRequestThatIsQuickAndRight) { EXPECT_EQ(RequestLines({}).size(), 0U); }

TEST(Logs, TellOfRequestsThatAreAskedFor) {
  const std::vector<Json> lines = RequestLines({"--access-log", "all"});
  ASSERT_EQ(lines.size(), 4U);
  const Json& claim = lines[0];
  EXPECT_EQ(claim["route"], "/v1/claim");
  EXPECT_EQ(claim["method"], "POST");
  EXPECT_EQ(claim["status"], 201);
  EXPECT_EQ(claim["outcome"], "executed");
  EXPECT_EQ(claim["component"], "http");
  EXPECT_EQ(claim["remote"], "127.0.0.1");
  EXPECT_EQ(claim["key_hash"], "ca978112ca1b") << "printf %s a | sha256sum";
  EXPECT_EQ(claim["bytes_in"], 11);
  EXPECT_GT(claim["bytes_out"], 100);
  EXPECT_GE(claim["duration_ms"], 0.0);
  EXPECT_EQ(claim["request_id"].get<std::string>().size(), 36U);
  EXPECT_EQ(lines[1]["outcome"], "in_flight");
  EXPECT_GE(lines[1]["duration_ms"], 250.0);
  EXPECT_EQ(lines[2]["route"], "/v1/keys/*");
  EXPECT_EQ(lines[2]["key_hash"], "ca978112ca1b");
  EXPECT_EQ(lines[3]["route"], "none");
  EXPECT_EQ(lines[3]["status"], 404);
}

TEST(Logs, TellOfWhoWatchesWhenAskedFor) {
  const std::vector<Json> lines = RequestLines({"--access-log", "all", "--log-level", "debug"});
  ASSERT_EQ(lines.size(), 8U);
  EXPECT_EQ(lines[4]["route"], "/livez");
  EXPECT_EQ(lines[4]["level"], "debug");
  EXPECT_EQ(lines[5]["route"], "/healthz");
  EXPECT_EQ(lines[6]["route"], "/readyz/*");
  EXPECT_EQ(lines[7]["route"], "/metrics");
}

TEST(Logs, AreAsFewAsAskedFor) {
  for (const char* format : {"text", "json"}) {
    Piped here({"--access-log", "all", "--log-level", "error", "--log-format", format});
    EXPECT_EQ(here.Connect().Ask("GET", "/v1/keys/none").status, 404);
    EXPECT_EQ(here.Stop(), 0);
    EXPECT_EQ(here.ReadAll(), "") << format;
  }
}

TEST(Logs, TellOfSlowOnesButNotOfWhoAskedToWait) {
  // Every request takes longer than a millisecond that is fsynced on a disk that is slow to sync.
  const std::vector<Json> lines = RequestLines({"--slow-request", "1ms"});
  for (const Json& line : lines) {
    EXPECT_EQ(line["event"], "slow_request");
    EXPECT_NE(line["outcome"], "in_flight");
  }
  EXPECT_EQ(RequestLines({"--slow-request", "1ms", "--access-log", "off"}).size(), 0U);
}

TEST(Logs, ARequestIsFoundAgainAtTheService) {
  GatewayInAFolder here({}, {"--log-format", "json", "--slow-request", "20ms"});
  const auto latch = std::make_shared<Latch>();
  here.upstream.Once("/slow", Script().Wait(latch).Send(AnswerText(200, "ok")));
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  Client client = here.Begin(
      "k", "/slow", "{}",
      {{"X-Request-Id", "mine"}, {"traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}});
  ASSERT_TRUE(here.upstream.Hit(1));
  // real time: a request is slow by the clock
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  latch->Open();
  EXPECT_EQ(client.Receive().Header("X-Request-Id"), "mine");
  const Seen seen = here.upstream.last();
  EXPECT_EQ(seen.Header("X-Request-Id"), "mine");
  // The same request again: the answer is the stored one, and names the one that asked.
  const HttpAnswer replay = here.Post("k", "/slow", "{}", {{"X-Request-Id", "again"}});
  EXPECT_EQ(replay.Header("Idempotent-Replayed"), "true")
      << "neither id nor trace is fingerprinted";
  EXPECT_EQ(replay.Header("X-Request-Id"), "again");
  // Not valid: the trace begins anew, here and at the service.
  EXPECT_EQ(here.Ask("GET", "/pass", "", {{"traceparent", "00-x"}, {"tracestate", "a=b"}}).status,
            200);
  EXPECT_EQ(here.upstream.last().Header("tracestate"), "");
  EXPECT_EQ(here.upstream.last().Header("traceparent").size(), 55U);
  const Json last = Json::parse(here.program->Ask("GET", "/v1/requests").body);
  EXPECT_EQ(last["recent"].size(), 3U);
  EXPECT_EQ(last["recent"][0]["outcome"], "passed");
  EXPECT_EQ(last["recent"][1]["outcome"], "replayed");
  EXPECT_EQ(last["recent"][2]["outcome"], "executed");
  ASSERT_EQ(last["slow"].size(), 1U);
  EXPECT_EQ(last["slow"][0]["door"], "gateway");
  EXPECT_EQ(last["slow"][0]["request_id"], "mine");
  const std::vector<Json> lines = Named(LinesOf(here.program->Stop().err), "slow_request");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["component"], "gateway");
  EXPECT_EQ(lines[0]["request_id"], "mine");
  EXPECT_EQ(lines[0]["trace_id"], trace);
  EXPECT_EQ(lines[0]["trace_flags"], "01");
  EXPECT_EQ(seen.Header("traceparent"),
            "00-" + trace + "-" + lines[0]["span_id"].get<std::string>() + "-01");
  EXPECT_EQ(lines[0]["route"], "default");
  EXPECT_EQ(lines[0]["upstream"], here.upstream.url());
  EXPECT_EQ(lines[0]["outcome"], "executed");
  EXPECT_GE(lines[0]["duration_ms"], 40.0);
}

TEST(Logs, AnswersNameTheirRequest) {
  const OncedInAFolder here;
  const auto id = [&](const std::string& method, const std::string& target, const Headers& sent) {
    return here.program.Ask(method, target, "", sent).Header("X-Request-Id");
  };
  EXPECT_EQ(id("GET", "/v1/keys/none", {{"X-Request-Id", "mine-1"}}), "mine-1");
  EXPECT_EQ(id("GET", "/livez", {{"x-request-id", "mine-2"}}), "mine-2");
  EXPECT_EQ(id("HEAD", "/readyz", {{"x-request-id", "mine-3"}}), "mine-3");
  std::set<std::string> made;
  for (const std::string& rubbish :
       {std::string("a b"), std::string(65, 'a'), std::string("caf\xC3\xA9"), std::string("\t")}) {
    const std::string one = id("GET", "/v1/keys/none", {{"X-Request-Id", rubbish}});
    EXPECT_EQ(one.size(), 36U) << one;
    made.insert(one);
  }
  made.insert(id("GET", "/", {}));
  made.insert(id("GET", "/", {{"X-Request-Id", "one"}, {"X-Request-Id", "two"}}));
  EXPECT_EQ(made.size(), 6U) << "each has its own";
  // Refused by the connection itself, before and after the head is known.
  Client raw = here.program.Connect();
  raw.Send("GET / rubbish\r\n\r\n");
  EXPECT_EQ(raw.Receive().Header("X-Request-Id").size(), 36U);
  Client large = here.program.Connect();
  large.Send(
      "POST /v1/claim HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine-4\r\nContent-Length: "
      "9999999\r\n\r\n");
  EXPECT_EQ(large.Receive().Header("X-Request-Id"), "mine-4");
}

TEST(Logs, TheLastRequestsAreForAnAdmin) {
  const GuardedOnced here;
  EXPECT_EQ(here.Ask("shop-1", "GET", "/v1/requests").status, 403);
  EXPECT_EQ(here.program.Ask("GET", "/v1/requests").status, 401);
  EXPECT_EQ(here.Post("shop-1", "/v1/claim", "{'key':'a'}").status, 201);
  const HttpAnswer seen = here.Ask("ops", "GET", "/v1/requests");
  EXPECT_EQ(seen.status, 200);
  const Json json = Json::parse(seen.body);
  ASSERT_EQ(json["recent"].size(), 1U) << seen.body << " watching is not recorded";
  const Json& claim = json["recent"][0];
  EXPECT_EQ(claim["door"], "api");
  EXPECT_EQ(claim["method"], "POST");
  EXPECT_EQ(claim["route"], "/v1/claim");
  EXPECT_EQ(claim["status"], 201);
  EXPECT_EQ(claim["outcome"], "executed");
  EXPECT_GE(claim["duration_us"], 0);
  EXPECT_EQ(claim["request_id"].get<std::string>().size(), 36U);
  EXPECT_EQ(claim["at"].get<std::string>().size(), std::string("2026-11-28T00:00:00.000Z").size());
  EXPECT_EQ(claim.size(), 8U);
  EXPECT_EQ(json["slow"].size(), 0U);
  EXPECT_EQ(here.Ask("ops", "GET", "/v1/requests?x=1").status, 400);
}

// A pipe that nobody reads holds 64 KiB, some 200 of these lines.
TEST(Logs, AnUnreadStderrStopsNobody) {
  Piped here({"--access-log", "all", "--durability", "os"});
  Client client = here.Connect();
  constexpr int kRounds = 200;
  constexpr int kEach = 50;
  std::string many;
  for (int i = 0; i < kEach; ++i) many += RequestText("GET", "/v1/keys/none");
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(client.Send(many));
    for (int i = 0; i < kEach; ++i) ASSERT_EQ(client.Receive().status, 404) << round << " " << i;
  }
  EXPECT_EQ(here.Connect().Ask("POST", "/v1/claim", R"({"key":"k"})").status, 201);
  EXPECT_EQ(here.Stop(), 0) << "nor does it hold up a stop";
  EXPECT_FALSE(LinesOf(here.ReadAll()).empty());
}

TEST(Logs, AClosedStderrStopsNobody) {
  Piped here({"--access-log", "all", "--durability", "os"});
  here.CloseStderr();
  Client client = here.Connect();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.Ask("GET", "/v1/keys/none").status, 404);
  EXPECT_EQ(here.Stop(), 0);
}

}  // namespace
}  // namespace onced
