// SPDX-License-Identifier: MIT
// The journal: a line is one line whatever is in it, and nobody who says one ever waits for whoever
// reads them.
#include "server/operations/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/operations/access_log.h"
#include "server/wire/exchange.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

using Json = nlohmann::json;
using std::chrono::steady_clock;

struct Pipe {
  Pipe() {
    signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  }
  ~Pipe() {
    CloseReader();
    CloseWriter();
  }
  void CloseReader() { Close(&ends[0]); }
  void CloseWriter() { Close(&ends[1]); }
  static void Close(int* fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
  // All that is there until the writers are gone.
  std::string Read() {
    CloseWriter();
    return ReadSome(SIZE_MAX);
  }
  std::string ReadSome(size_t most) {
    std::string all;
    char buffer[4'096];
    while (all.size() < most) {
      const ssize_t size = read(ends[0], buffer, sizeof buffer);
      if (size <= 0) break;
      all.append(buffer, static_cast<size_t>(size));
    }
    return all;
  }

  int ends[2] = {-1, -1};
};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end == text.npos ? text.size() : end + 1;
  }
  return lines;
}

std::string Hostile() {
  std::string bytes = "\"}\n{\"level\":\"error\",\"msg\":\"forged\"}\r\n\x1B[2J\\";
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  return bytes + "\xC3\xA4 \xF0\x9F\x98\x80 \xED\xA0\x80 \xF8 \xC3";
}

LogLine FullOf(const std::string& text) {
  return {.event = LogEvent::kRequestError,
          .msg = text,
          .component = text,
          .request_id = text,
          .trace_id = text,
          .span_id = text,
          .trace_flags = text,
          .method = text,
          .route = text,
          .status = 503,
          .outcome = text,
          .duration_us = INT64_MAX,
          .bytes_in = INT64_MAX,
          .bytes_out = INT64_MAX,
          .remote = text,
          .upstream = text,
          .key_hash = text,
          .url = text,
          .error = text,
          .suppressed = INT64_MAX};
}

// What a client sends must not begin a line of its own, nor end a terminal's.
TEST(LogLine, IsOneLineWhateverIsInIt) {
  for (const LogFormat format : {LogFormat::kJson, LogFormat::kText}) {
    for (const std::string& text : {Hostile(), std::string(100'000, '\x01'),
                                    std::string(100'000, '"'), std::string(100'000, '\xFF')}) {
      const std::string line = LogText(FullOf(text), format, 1'785'196'800'000'000);
      EXPECT_LT(line.size(), kLogLineMax);
      for (const char c : line) {
        ASSERT_TRUE(c >= 0x20 && c < 0x7F) << "byte " << int{static_cast<unsigned char>(c)};
      }
      if (format == LogFormat::kText) continue;
      const Json json = Json::parse(line);
      EXPECT_EQ(json["level"], "error");
      EXPECT_EQ(json["event"], "request_error");
      EXPECT_EQ(json["status"], 503);
    }
  }
}

TEST(LogLine, SaysWhatItIsGiven) {
  const std::string line = LogText({.event = LogEvent::kSlowRequest,
                                    .msg = "a \"request\"\\ was slow",
                                    .request_id = "r-1",
                                    .status = 200,
                                    .duration_us = 1'234'567},
                                   LogFormat::kJson, 1'785'196'800'000'007);
  EXPECT_EQ(line, R"({"ts":"2026-07-28T00:00:00.000007Z","level":"warn","component":"http",)"
                  R"("event":"slow_request","msg":"a \"request\"\\ was slow","request_id":"r-1",)"
                  R"("status":200,"duration_ms":1234.567})");
  EXPECT_EQ(LogText({.event = LogEvent::kStopped, .msg = "a \"word\""}, LogFormat::kText,
                    1'785'196'800'009'000),
            "00:00:00.009 onced: a \"word\"");
}

TEST(LogLine, HasATableThatIsWritten) {
  std::ifstream file(std::string(ONCED_SOURCE_DIR) + "/server/LOGS.md");
  const std::string document{std::istreambuf_iterator<char>(file), {}};
  std::set<std::string_view> names;
  for (const LogEventRow& row : LogEvents()) {
    EXPECT_EQ(&RowOf(row.event), &row);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    const std::string limit =
        row.per_second == 0 ? "" : std::to_string(row.per_second) + " a second";
    const std::string told = "| `" + std::string(row.name) + "` | " +
                             std::string(NameOf(row.level)) + " | " + std::string(row.component) +
                             " | " + limit + " | " + std::string(row.meaning) + " |\n";
    EXPECT_NE(document.find(told), std::string::npos) << "LOGS.md lacks: " << told;
  }
  size_t told = 0;
  for (const std::string& line : Lines(document)) told += line.starts_with("| `") ? 1 : 0;
  EXPECT_EQ(told, names.size()) << "LOGS.md tells of events that are not";
}

TEST(Journal, IsTextOnATerminalAndJsonElsewhere) {
  Pipe pipe;
  EXPECT_EQ(Journal(LogFormat::kAuto, LogLevel::kInfo, pipe.ends[1]).format(), LogFormat::kJson);
  int mine = -1;
  int theirs = -1;
  ASSERT_EQ(openpty(&mine, &theirs, nullptr, nullptr, nullptr), 0);
  EXPECT_EQ(Journal(LogFormat::kAuto, LogLevel::kInfo, theirs).format(), LogFormat::kText);
  EXPECT_EQ(Journal(LogFormat::kJson, LogLevel::kInfo, theirs).format(), LogFormat::kJson);
  close(mine);
  close(theirs);
}

TEST(Journal, WritesAllOfItInOrderWhileItIsRead) {
  Pipe pipe;
  std::string read;
  std::thread reader([&] { read = pipe.ReadSome(SIZE_MAX); });
  {
    Journal journal(LogFormat::kJson, LogLevel::kInfo, pipe.ends[1]);
    for (int i = 0; i < 1'000; ++i) journal.Say(LogEvent::kReload, std::to_string(i));
    journal.SayLast(LogEvent::kLeaving, "last");
  }
  pipe.CloseWriter();
  reader.join();
  const std::vector<std::string> lines = Lines(read);
  ASSERT_EQ(lines.size(), 1'001U);
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(Json::parse(lines[i])["msg"], std::to_string(i));
  EXPECT_EQ(Json::parse(lines.back())["msg"], "last");
}

// A pipe that nobody reads holds 64 KiB; then write(2) would hang for ever.
TEST(Journal, WaitsForNobody) {
  Pipe pipe;
  const auto begun = steady_clock::now();
  {
    Journal journal(LogFormat::kJson, LogLevel::kInfo, pipe.ends[1]);
    for (int i = 0; i < 100'000; ++i) journal.Say(LogEvent::kStartFailed, std::string(200, 'x'));
    journal.SayLast(LogEvent::kLeaving, "nobody hears it");
  }
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(10));
  // What was left when it ended has made room for no half line.
  for (const std::string& line : Lines(pipe.Read())) EXPECT_TRUE(Json::accept(line)) << line;
}

// As of a disk that was full for a moment: half a line went out.
TEST(Journal, BeginsALineOfItsOwnAfterHalfALine) {
  const TempFolder folder;
  const int file =
      open(folder.path("log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  signal(SIGXFSZ, SIG_IGN);
  rlimit size{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &size), 0);
  {
    Journal journal(LogFormat::kJson, LogLevel::kInfo, file);
    journal.SayLast(LogEvent::kReload, "first");
    rlimit full = size;
    full.rlim_cur = static_cast<rlim_t>(lseek(file, 0, SEEK_END)) + 20;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
    journal.SayLast(LogEvent::kReload, "half");
    journal.SayLast(LogEvent::kReload, "not at all");
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &size), 0);
    journal.SayLast(LogEvent::kReload, "whole");
    journal.SayLast(LogEvent::kReload, "last");
  }
  close(file);
  const std::vector<std::string> lines = Lines(ReadFile(folder.path("log")));
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(Json::parse(lines[0])["msg"], "first");
  EXPECT_EQ(lines[1].size(), 20U);
  EXPECT_EQ(Json::parse(lines[2])["msg"], "whole");
  EXPECT_EQ(Json::parse(lines[3])["msg"], "2 lines were dropped: nobody took them");
  EXPECT_EQ(Json::parse(lines[4])["msg"], "last");
}

TEST(Journal, TellsHowManyLinesWereDropped) {
  Pipe pipe;
  std::string read;
  size_t dropped = 0;
  std::thread reader;
  {
    Journal journal(LogFormat::kJson, LogLevel::kInfo, pipe.ends[1]);
    for (int i = 0; i < 20'000; ++i) journal.Say(LogEvent::kReload, std::string(200, 'x'));
    reader = std::thread([&] { read = pipe.ReadSome(SIZE_MAX); });
    journal.SayLast(LogEvent::kLeaving, "it is read again");
  }
  pipe.CloseWriter();
  reader.join();
  size_t said = 0;
  for (const std::string& line : Lines(read)) {
    const Json json = Json::parse(line);
    if (json["event"] == "reload") ++said;
    if (json["event"] == "lines_dropped") dropped += std::stoul(json["msg"].get<std::string>());
  }
  EXPECT_GT(dropped, 10'000U);
  EXPECT_EQ(said + dropped, 20'000U);
}

TEST(Journal, TakesNoHarmFromAReaderThatIsGone) {
  Pipe pipe;
  pipe.CloseReader();
  const auto begun = steady_clock::now();
  {
    Journal journal(LogFormat::kJson, LogLevel::kInfo, pipe.ends[1]);
    for (int i = 0; i < 10'000; ++i) journal.Say(LogEvent::kReload, "x");
    journal.SayLast(LogEvent::kLeaving, "x");
  }
  {
    const int gone = fcntl(pipe.ends[1], F_DUPFD_CLOEXEC, 200);
    close(gone);
    Journal journal(LogFormat::kText, LogLevel::kInfo, gone);
    for (int i = 0; i < 10'000; ++i) journal.Say(LogEvent::kReload, "x");
    journal.SayLast(LogEvent::kLeaving, "x");
  }
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(5));
}

TEST(Journal, LeavesOutWhatIsLessThanAskedFor) {
  Pipe pipe;
  {
    Journal journal(LogFormat::kJson, LogLevel::kWarn, pipe.ends[1]);
    journal.Say(LogEvent::kReady, "info");
    journal.Say(LogEvent::kWarning, "warn");
    journal.Say(LogEvent::kReloadRefused, "error");
  }
  const std::vector<std::string> lines = Lines(pipe.Read());
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(Json::parse(lines[0])["level"], "warn");
  EXPECT_EQ(Json::parse(lines[1])["level"], "error");
}

TEST(Journal, LeavesOutWhatIsForPeopleToo) {
  Pipe pipe;
  {
    Journal journal(LogFormat::kText, LogLevel::kWarn, pipe.ends[1]);
    journal.SayPlain("doors");
  }
  {
    Journal journal(LogFormat::kText, LogLevel::kInfo, pipe.ends[1]);
    journal.SayPlain("  doors\n  of it");
  }
  EXPECT_EQ(pipe.Read(), "  doors\n  of it\n");
}

// A fault of the disk comes with every request.
TEST(Journal, SaysOneFaultASecondAndCountsTheRest) {
  Pipe pipe;
  {
    Journal journal(LogFormat::kJson, LogLevel::kInfo, pipe.ends[1]);
    const auto until = steady_clock::now() + std::chrono::milliseconds(1'100);
    while (steady_clock::now() < until) journal.Say(LogEvent::kStorageFault, "EIO");
    journal.Say(LogEvent::kUpstreamFault, "another's pace is its own");
  }
  const std::vector<std::string> lines = Lines(pipe.Read());
  ASSERT_GE(lines.size(), 3U);
  EXPECT_LE(lines.size(), 4U);
  EXPECT_FALSE(Json::parse(lines[0]).contains("suppressed"));
  EXPECT_GT(Json::parse(lines[1])["suppressed"], 10);
  EXPECT_EQ(Json::parse(lines.back())["event"], "upstream_fault");
}

TEST(AccessLog, KeepsTheNewestAndTheSlowest) {
  AccessLog access(nullptr, {});
  wire::Tag tag;
  tag.method = "POST";
  tag.route = "/v1/claim";
  tag.status = 201;
  for (int i = 0; i < 250; ++i) {
    tag.request_id = wire::RequestId::Of("r-" + std::to_string(i));
    tag.waited = i == 249;
    const bool slow = i % 10 == 0 || i == 249;
    access.Tell(Door::kApi, CameTo::kExecuted, tag,
                slow ? std::chrono::milliseconds(1'500) : std::chrono::milliseconds(1));
  }
  tag.route = "/metrics";
  access.Tell(Door::kApi, CameTo::kOther, tag, std::chrono::seconds(9));
  const Json json = Json::parse(access.Json());
  ASSERT_EQ(json["recent"].size(), 100U);
  EXPECT_EQ(json["recent"][0]["request_id"], "r-249");
  EXPECT_EQ(json["recent"][99]["request_id"], "r-150");
  EXPECT_EQ(json["recent"][0]["outcome"], "executed");
  EXPECT_EQ(json["recent"][0]["door"], "api");
  EXPECT_EQ(json["recent"][0]["duration_us"], 1'500'000);
  ASSERT_EQ(json["slow"].size(), 25U) << "who asked to wait is not slow";
  EXPECT_EQ(json["slow"][0]["request_id"], "r-240");
}

// A balancer asks every second or so: 503 is an answer, and would leave no room for anything else.
TEST(AccessLog, DoesNotTellOfProbesThatHearNotReady) {
  Pipe pipe;
  {
    Journal journal(LogFormat::kJson, LogLevel::kInfo, pipe.ends[1]);
    AccessLog access(&journal, {});
    wire::Tag tag;
    tag.method = "GET";
    for (const char* route : {"/readyz", "/readyz/*", "/healthz"}) {
      for (const int status : {200, 503}) {
        tag.route = route;
        tag.status = status;
        access.Tell(Door::kApi, CameTo::kByStatus, tag, std::chrono::seconds(2));
      }
    }
    EXPECT_EQ(Json::parse(access.Json())["recent"].size(), 0U);
    EXPECT_EQ(Json::parse(access.Json())["slow"].size(), 0U);
    access.Tell(Door::kGateway, CameTo::kByStatus, tag, std::chrono::milliseconds(1));
    tag.route = "/metrics";
    access.Tell(Door::kApi, CameTo::kByStatus, tag, std::chrono::milliseconds(1));
    EXPECT_EQ(Json::parse(access.Json())["recent"].size(), 2U);
  }
  const std::vector<std::string> lines = Lines(pipe.Read());
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(Json::parse(lines[0])["component"], "gateway") << "a route's name there is the user's";
  EXPECT_EQ(Json::parse(lines[1])["route"], "/metrics");
}

TEST(AccessLog, IsToldByManyAtOnce) {
  AccessLog access(nullptr, {.slow = std::chrono::milliseconds(1)});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&access] {
      wire::Tag tag;
      tag.status = 200;
      for (int i = 0; i < 20'000; ++i) {
        tag.request_id = wire::RequestId::New();
        access.Tell(Door::kGateway, CameTo::kPassed, tag, std::chrono::milliseconds(i % 3));
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    const Json told = Json::parse(access.Json());
    for (const Json& one : told["recent"]) {
      ASSERT_EQ(one["request_id"].get<std::string>().size(), 36U);
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Json::parse(access.Json())["slow"].size(), 100U);
}

}  // namespace
}  // namespace onced
