// SPDX-License-Identifier: MIT
#include "bench/comparison.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/child.h"

namespace onced::bench {
namespace {

constexpr int kExitSkipped = 77;

int Run(int argc, char** argv, Rounds* rounds, const Program& program) {
  CLI::App app(program.about, std::string("onced_") + program.name);
  app.require_subcommand(1);
  CLI::App* compare = app.add_subcommand("compare", "alternate runs and print ratios");
  compare->add_option("--rounds", rounds->rounds, "pairs of runs a row")->check(CLI::Range(1, 99));
  compare->add_option("--seconds", rounds->wrk.seconds, "of each run")->check(CLI::Range(1, 600));
  compare->add_option("--only", rounds->only, "rows whose name contains this");
  compare->add_option("--raw", rounds->raw, "a file to which each row is added as JSON");
  compare->add_option("--onced", rounds->onced, "the program to measure");
  if (program.add_flags) program.add_flags(compare);
  CLI::App* smoke = app.add_subcommand("smoke", "each script and count once");
  CLI11_PARSE(app, argc, argv);
  for (const std::string& needed : program.needs) {
    if (CanRun(needed)) continue;
    std::fprintf(stderr, "%s: skipped: %s is not installed (see server/packages)\n", program.name,
                 needed.c_str());
    return kExitSkipped;
  }
  smoke->parsed() ? program.smoke() : program.compare();
  return 0;
}

}  // namespace

int RunComparison(int argc, char** argv, Rounds* rounds, const Program& program) {
  try {
    return Run(argc, argv, rounds, program);
  } catch (const std::exception& error) {  // every server has ended by now, every folder is gone
    std::fprintf(stderr, "%s: %s\n", program.name, error.what());
    return 1;
  }
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

void Row::Print(const Rounds& rounds) const {
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
  if (rounds.raw.empty()) return;
  const nlohmann::ordered_json line{{"row", name},
                                    {"unit", unit},
                                    {"ours", ours},
                                    {"theirs", theirs},
                                    {"ratios", ratios},
                                    {"target", target},
                                    {"less_is_better", less_is_better}};
  std::ofstream file(rounds.raw, std::ios::app);
  if (!(file << line.dump() << std::endl)) Fail("cannot write " + rounds.raw);
}

void PrintHead(const Rounds& rounds, const std::string& load) {
  if (const TempFolder folder; folder.is_in_memory()) {
    std::printf("%s is in memory, so syncs cost nothing: set TMPDIR to a folder on a disk\n",
                folder.path().parent_path().c_str());
  }
  std::printf("medians of %d rounds of %d s each; ratios pair by pair; %s on the same cores\n",
              rounds.rounds, rounds.wrk.seconds, load.c_str());
  std::printf("%-17s %9s %9s %-7s %6s  %-13s %5s\n", "", "A", "B", "unit", "ratio", "spread",
              "want");
}

void PrintCpu(const std::string& name, const std::vector<double>& ours,
              const std::vector<double>& theirs) {
  std::printf("%-17s %9.1f %9.1f us of processor time a request\n", (name + " cpu").c_str(),
              Median(ours), Median(theirs));
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
  row.Print(rounds);
}

}  // namespace onced::bench
