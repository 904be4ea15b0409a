// SPDX-License-Identifier: MIT
// Comparison: two sides measured in turns (A B A B ...), and told as ratios pair by pair: the
// machines are small and shared, so no absolute number means anything.
//
// Threads: use from one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/wrk.h"

namespace CLI {
class App;
}

namespace onced::bench {

struct Rounds {
  int rounds = 5;
  WrkOptions wrk;
  std::string only;   // rows whose name contains this
  std::string onced;  // the program to measure
  std::string raw;    // a file that each row is added to, as a line of JSON; empty: none
};

double Median(std::vector<double> values);

// One line of the table: two figures a round, judged pair by pair.
struct Row {
  std::string name;
  std::string unit;
  double target;
  std::vector<double> ours;
  std::vector<double> theirs;
  bool less_is_better = false;

  void Add(double our, double their) {
    ours.push_back(our);
    theirs.push_back(their);
  }
  // Also adds it to the file of `rounds`.
  void Print(const Rounds& rounds) const;
};

// `load` says what sends the requests.
void PrintHead(const Rounds& rounds, const std::string& load);

// How much of a core each side took, which a busy machine disturbs less than the rates.
void PrintCpu(const std::string& name, const std::vector<double>& ours,
              const std::vector<double>& theirs);

// One round: each side once, each first every other time, so that what a run leaves behind (heat,
// pages still to be written) is the next one's burden on both sides.
void InTurns(int round, const std::function<void()>& ours, const std::function<void()>& theirs);

// The row of two rates that each side measures anew every round.
void CompareRates(const Rounds& rounds, Row row, const std::function<double()>& ours,
                  const std::function<double()>& theirs);

// A benchmark program, but for what it measures.
struct Program {
  const char* name;
  const char* about;
  std::function<void()> compare;                  // alternates runs and prints ratios
  std::function<void()> smoke;                    // a blink of each
  std::vector<std::string> needs = {"wrk"};       // without these programs all of it is skipped
  std::function<void(CLI::App*)> add_flags = {};  // more flags of `compare`
};
// Its main(): `compare [flags]`, read into `rounds`, or `smoke`. Returns 0, or 1 after wrong
// outcomes or counts, or 77 when what it needs is not there.
int RunComparison(int argc, char** argv, Rounds* rounds, const Program& program);

}  // namespace onced::bench
