// SPDX-License-Identifier: MIT
#include "bench/raw_results.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "bench/child.h"

namespace onced::bench {
namespace {

using Json = nlohmann::ordered_json;

Json PercentilesOf(const Histogram& latency) {
  Json all;
  for (const char* percent : {"50", "90", "99", "99.9", "99.99"}) {
    all[percent] = latency.Percentile(std::strtod(percent, nullptr));
  }
  all["100"] = latency.max();
  return all;
}

}  // namespace

RawResults::RawResults(const std::string& path) : file_(path, std::ios::app) {
  if (!file_) Fail("cannot write " + path);
}

void RawResults::NotRun(const std::string& part, const SystemKind& kind, const std::string& why) {
  file_
      << Json{{"part", part}, {"system", kind.name}, {"about", kind.about}, {"not_run", why}}.dump()
      << std::endl;
}

void RawResults::Add(const Run& run) {
  Json line{{"part", run.part},
            {"system", run.kind->name},
            {"about", run.kind->about},
            {"durability", run.kind->durability},
            {"round", run.round},
            {"connections", run.plan.connections},
            {"times", run.times},
            {"rate", run.plan.per_second},
            {"seconds", static_cast<double>(run.plan.duration.count()) / 1e3},
            {"operations", run.load.operations},
            {"per_second", run.load.per_second},
            {"begun", run.load.begun},
            {"keys", run.keys},
            {"executions", run.executions},
            {"keys_with_more", run.keys_with_more},
            {"refused", run.refused},
            {"cpu_us", run.cpu_us},
            {"resident_kib", run.resident_kib},
            {"latency_us", PercentilesOf(run.load.latency_us)}};
  Json histogram = Json::array();
  run.load.latency_us.Visit([&](int64_t us, int64_t count) { histogram.push_back({us, count}); });
  line["histogram"] = std::move(histogram);
  Json slices = Json::array();
  for (const Slice& slice : run.load.slices) slices.push_back({slice.ended, slice.slowest_us});
  line["slices"] = std::move(slices);
  file_ << line.dump() << std::endl;
}

}  // namespace onced::bench
