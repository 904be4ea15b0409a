// SPDX-License-Identifier: MIT
// Pipe: what is written comes out in order, the end comes last, and each side learns in time what
// the other wants.
#include "server/wire/pipe.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace onced::wire {
namespace {

TEST(Pipe, GivesTheEndWithTheLastBytes) {
  Pipe pipe(8);
  EXPECT_TRUE(pipe.Write("ab"));
  pipe.Close(Pipe::End::kWhole);
  const Pipe::Taken taken = pipe.Take();
  EXPECT_EQ("ab", taken.bytes);
  EXPECT_TRUE(taken.ended);
  EXPECT_FALSE(taken.broken);
}

TEST(Pipe, TellsABrokenEndFromAWholeOne) {
  Pipe pipe(8);
  pipe.Close(Pipe::End::kBroken);
  pipe.Close(Pipe::End::kWhole);
  const Pipe::Taken taken = pipe.Take();
  EXPECT_TRUE(taken.ended);
  EXPECT_TRUE(taken.broken);
}

TEST(Pipe, CallsTheReaderOnceForAsMuchAsComesUntilItTakes) {
  Pipe pipe(8);
  int calls = 0;
  pipe.OnReadable([&] { ++calls; });
  (void)pipe.Write("a");
  (void)pipe.Write("b");
  EXPECT_EQ(1, calls);
  EXPECT_EQ("ab", pipe.Take().bytes);
  (void)pipe.Write("c");
  EXPECT_EQ(2, calls);
}

TEST(Pipe, CallsAWriterThatHadToStopWhenThereIsRoom) {
  Pipe pipe(4);
  int calls = 0;
  pipe.OnRoom([&] { ++calls; });
  EXPECT_FALSE(pipe.Write("abcdef"));
  EXPECT_EQ("ab", pipe.TakeSome(2).bytes);
  EXPECT_EQ(0, calls);
  EXPECT_EQ("c", pipe.TakeSome(1).bytes);
  EXPECT_EQ(1, calls);
}

TEST(Pipe, TellsAWriterWhoseReaderHasLetGo) {
  Pipe pipe(4);
  int calls = 0;
  pipe.OnRoom([&] { ++calls; });
  EXPECT_FALSE(pipe.Write("abcd"));
  pipe.Abandon();
  EXPECT_EQ(1, calls);
  EXPECT_TRUE(pipe.abandoned());
  EXPECT_FALSE(pipe.Write("e"));
}

TEST(Pipe, LosesNothingBetweenTwoThreads) {
  constexpr size_t kBytes = 1'000'000;
  Pipe pipe(1'000);
  std::thread writer([&] {
    for (size_t i = 0; i < kBytes; ++i) {
      const char byte = static_cast<char>('a' + i % 26);
      (void)pipe.Write(std::string_view(&byte, 1));
    }
    pipe.Close(Pipe::End::kWhole);
  });
  size_t read = 0;
  bool ended = false;
  while (!ended) {
    const Pipe::Taken taken = pipe.TakeSome(777);
    for (const char byte : taken.bytes) {
      ASSERT_EQ('a' + static_cast<int>(read % 26), byte);
      ++read;
    }
    ended = taken.ended;
  }
  writer.join();
  EXPECT_EQ(kBytes, read);
}

}  // namespace
}  // namespace onced::wire
