// SPDX-License-Identifier: MIT
#include "bench/comparison.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "bench/child.h"

namespace onced::bench {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

void Row::Print() const {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) {
    ratios.push_back(less_is_better ? theirs[i] / ours[i] : ours[i] / theirs[i]);
  }
  const double ratio = Median(ratios);
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  std::printf("%-17s %9.*f %9.*f %-7s %6.2f  %5.2f..%-6.2f %5.2f  %s\n", name.c_str(),
              less_is_better ? 2 : 0, Median(ours), less_is_better ? 2 : 0, Median(theirs),
              unit.c_str(), ratio, *low, *high, target, ratio >= target ? "met" : "MISSED");
  std::fflush(stdout);
}

void PrintHead(const Rounds& rounds) {
  if (const TempFolder folder; folder.is_in_memory()) {
    std::printf("%s is in memory, so syncs cost nothing: set TMPDIR to a folder on a disk\n",
                folder.path().parent_path().c_str());
  }
  std::printf(
      "medians of %d rounds of %d s each; ratios pair by pair; wrk -t%d on the same cores\n",
      rounds.rounds, rounds.wrk.seconds, rounds.wrk.threads);
  std::printf("%-17s %9s %9s %-7s %6s  %-13s %5s\n", "", "A", "B", "unit", "ratio", "spread",
              "want");
}

void InTurns(int round, const std::function<void()>& ours, const std::function<void()>& theirs) {
  const bool ours_first = round % 2 == 0;
  if (ours_first) ours();
  theirs();
  if (!ours_first) ours();
}

void CompareRates(const Rounds& rounds, Row row, const std::function<double()>& ours,
                  const std::function<double()>& theirs) {
  for (int round = 0; round < rounds.rounds; ++round) {
    double our = 0;
    double their = 0;
    InTurns(
        round, [&] { our = ours(); }, [&] { their = theirs(); });
    row.Add(our, their);
  }
  row.Print();
}

}  // namespace onced::bench
