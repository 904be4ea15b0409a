// SPDX-License-Identifier: MIT
// What the benchmark's own parts promise: percentiles that are right, keys that come as often as
// was said, answers that are taken apart wherever they are cut, and an open loop in which a stall
// is felt by all whom it would have met.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <thread>

#include "bench/answer_reader.h"
#include "bench/child.h"
#include "bench/histogram.h"
#include "bench/load.h"
#include "bench/scripts.h"

namespace onced::bench {
namespace {

TEST(Histogram, PercentilesAreThoseOfTheSortedValuesToOnePercent) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> spread(6, 2.5);
  std::vector<int64_t> values;
  Histogram histogram;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(static_cast<int64_t>(spread(random)));
    histogram.Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {0.1, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    const auto rank = static_cast<size_t>(std::ceil(percent / 100 * 50'000 - 1e-9));
    const int64_t exact = values[rank - 1];
    const int64_t told = histogram.Percentile(percent);
    EXPECT_GE(told, exact) << percent;
    EXPECT_LE(static_cast<double>(told), static_cast<double>(exact) * 1.01) << percent;
  }
  EXPECT_EQ(histogram.Percentile(100), values.back());
}

TEST(Histogram, AddsUpAndHoldsWhatIsBeyondItsEnds) {
  Histogram low;
  Histogram high;
  low.Record(-5);
  low.Record(255);
  high.Record(256);
  high.Record(INT64_MAX);
  low.Add(high);
  EXPECT_EQ(low.count(), 4);
  std::vector<std::pair<int64_t, int64_t>> seen;
  low.Visit([&](int64_t us, int64_t count) { seen.emplace_back(us, count); });
  ASSERT_EQ(seen.size(), 4U);
  EXPECT_EQ(seen[0], std::make_pair(int64_t{0}, int64_t{1}));
  EXPECT_EQ(seen[1], std::make_pair(int64_t{255}, int64_t{1}));
  EXPECT_EQ(seen[2], std::make_pair(int64_t{257}, int64_t{1}));
  EXPECT_EQ(seen[3].first, (int64_t{1} << 36) - 1);
  EXPECT_EQ(Histogram().Percentile(99), 0);
}

TEST(RunKeys, EachComesAsOftenAsWasSaid) {
  for (const int times : {1, 2, 10}) {
    const RunKeys keys{.prefix = "k", .times = times};
    std::map<std::string, int> seen;
    for (int64_t operation = 0; operation < 16 * times * 3; ++operation) {
      ++seen[keys.KeyOf(operation)];
      EXPECT_EQ(static_cast<int64_t>(seen.size()), keys.Distinct(operation + 1)) << operation;
    }
    for (const auto& [key, count] : seen) EXPECT_EQ(count, times) << key;
  }
}

TEST(AnswerReader, TakesAnswersApartWhereverTheyAreCut) {
  const std::string http =
      "HTTP/1.1 201 Created\r\nIdempotent-Replayed: true\r\nContent-Length: 4\r\n\r\npaid"
      "HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  const std::string redis = "+OK\r\n$-1\r\n$6\r\na\r\nb\r\n\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n_\r\n";
  for (const auto& [protocol, bytes] :
       {std::pair(Protocol::kHttp, http), std::pair(Protocol::kRedis, redis)}) {
    std::vector<std::string> whole;
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      AnswerReader reader(protocol);
      std::vector<std::string> seen;
      const auto take_all = [&] {
        while (const std::optional<Answer> answer = reader.Whole()) {
          seen.push_back(std::to_string(answer->status) + "|" + std::string(answer->head) + "|" +
                         std::string(answer->body));
          reader.Drop();
        }
      };
      reader.Received(bytes.data(), cut);
      take_all();
      reader.Received(bytes.data() + cut, bytes.size() - cut);
      take_all();
      if (whole.empty()) whole = seen;
      ASSERT_EQ(seen, whole) << "cut at " << cut;
    }
    ASSERT_EQ(whole.size(), protocol == Protocol::kHttp ? 3U : 5U);
  }
  AnswerReader reader(Protocol::kHttp);
  reader.Received("rubbish\r\n\r\n", 11);
  EXPECT_THROW(reader.Whole(), Failure);
  EXPECT_THROW(ReplySize("rubbish\r\n"), Failure);
}

// Takes one connection and answers each request on it with 200, the tenth only after a stall.
class StallsOnce {
 public:
  explicit StallsOnce(std::chrono::milliseconds stall) : thread_([this, stall] { Serve(stall); }) {}
  ~StallsOnce() {
    thread_.join();
    close(listener_);
  }
  int port() const { return port_; }

 private:
  void Serve(std::chrono::milliseconds stall) const {
    const int fd = accept(listener_, nullptr, nullptr);
    char bytes[4096];
    for (int answered = 0; recv(fd, bytes, sizeof bytes, 0) > 0; ++answered) {
      // real time: the stall is what the load must see
      if (answered == 9) std::this_thread::sleep_for(stall);
      const std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
    }
    close(fd);
  }
  static int Listen() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(fd, 1) != 0) {
      Fail("the test cannot listen");
    }
    return fd;
  }
  static int PortOf(int fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

  const int listener_ = Listen();
  const int port_ = PortOf(listener_);
  std::thread thread_;
};

// 100 a second on one connection, and 400 ms during which nothing is answered: forty operations
// should have begun in them. A closed loop would see one slow answer.
TEST(Load, AStallIsFeltByAllWhoWouldHaveMetIt) {
  constexpr std::chrono::milliseconds kStall(400);
  StallsOnce server(kStall);
  const std::unique_ptr<PayingScript> script = CeilingScript({.prefix = "k"}, "/");
  const LoadResult load = RunLoad({.port = server.port(),
                                   .connections = 1,
                                   .warm_up = std::chrono::milliseconds(0),
                                   .duration = std::chrono::seconds(1),
                                   .per_second = 100},
                                  script.get());
  EXPECT_EQ(load.begun, 100);
  EXPECT_EQ(load.latency_us.count(), 100);
  int64_t slow = 0;
  load.latency_us.Visit([&](int64_t us, int64_t count) {
    if (us > 100'000) slow += count;
  });
  EXPECT_GE(slow, 25);  // about thirty waited for 100 ms or more
  EXPECT_GE(load.latency_us.max(), 390'000);
}

TEST(Load, AnAnswerThatWasNotExpectedEndsIt) {
  StallsOnce server(std::chrono::milliseconds(0));
  const std::unique_ptr<PayingScript> script = ClaimScript({.prefix = "k"});
  EXPECT_THROW(RunLoad({.port = server.port(), .connections = 1}, script.get()), Failure);
}

TEST(Scripts, AKeyThatIsWonTwiceIsCounted) {
  const std::unique_ptr<PayingScript> script =
      PostScript({.prefix = "k", .times = 2}, "/payments", /*marks_replays=*/true);
  const Answer created{.status = 201, .head = "HTTP/1.1 201 Created\r\n\r\n"};
  const Answer replayed{.status = 201,
                        .head = "HTTP/1.1 201 Created\r\nIdempotent-Replayed: true\r\n\r\n"};
  const Answer busy{.status = 409, .head = "HTTP/1.1 409 Conflict\r\n\r\n"};
  script->GoOn(0, 0, created);
  script->GoOn(16, 0, created);  // the same key
  script->GoOn(1, 0, created);
  script->GoOn(17, 0, replayed);
  script->GoOn(2, 0, busy);
  EXPECT_EQ(script->won(), 3);
  EXPECT_EQ(script->won_again(), 1);
  EXPECT_EQ(script->replayed(), 1);
  EXPECT_EQ(script->refused(), 1);
  EXPECT_THROW(script->GoOn(3, 0, Answer{.status = 500}), Failure);
}

}  // namespace
}  // namespace onced::bench
