// SPDX-License-Identifier: MIT
// OrderedWriter: a client of the real program whose writes have an order, so that a gap in what is
// left of them can be seen: each is answered before the next is asked for. They are claims; or of
// all sorts: a few Redis names and payments first, then runs with results of 300 KB that make the
// program begin new logs, and another name or payment now and then.
//
// Threads: the one that it belongs to.
// Invariants: what a number writes follows from the number and the name.
#pragma once

#include <atomic>
#include <string>

#include "tests/program.h"
#include "tests/redis.h"

namespace onced {

enum class WriteSorts { kClaims, kAll };

class OrderedWriter {
 public:
  // `program` has its Redis door open. `name`: what the names of all keys begin with.
  OrderedWriter(const Program& program, std::string name, WriteSorts sorts);

  // False: it was not answered that this is done. It tries again while the program is catching up,
  // but not when it is over.
  bool Write(int number, const std::atomic<bool>& over);

  // Whether all of what the number has written is there. Whoever does not answer, or refuses to,
  // has not said that it is gone.
  enum class Seen { kThere, kAbsent, kNoAnswer };
  Seen Look(int number);

 private:
  enum class Sort { kClaim, kRun, kName, kPayment };
  Sort SortOf(int number) const;
  HttpAnswer Post(const std::string& target, const std::string& body, const Headers& headers,
                  const std::atomic<bool>& over);
  HttpAnswer Pay(const std::string& key, const std::atomic<bool>& over);
  Seen LookForRecord(const std::string& key, bool completed);

  const std::string name_;
  const WriteSorts sorts_;
  Client http_;
  RespClient redis_;
};

}  // namespace onced
