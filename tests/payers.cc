// SPDX-License-Identifier: MIT
#include "tests/payers.h"

#include <algorithm>
#include <set>

#include "tests/gateway.h"

namespace onced {
namespace {

constexpr size_t kAtATime = 4;

HttpAnswer Pay(Client& client, const std::string& key) {
  return client.Ask("POST", "/pay", "{}", Keyed(key));
}

bool IsDone(const HttpAnswer& answer) { return answer.status >= 200 && answer.status < 300; }

}  // namespace

bool Payer::Step() {
  const size_t number = first_->load() + random_() % kAtATime;
  const std::string key = "g" + std::to_string(number);
  const HttpAnswer answer = Pay(*client_, key);
  if (answer.status == 0) return false;
  if (!IsDone(answer)) {
    // What is in doubt stays so: nobody comes to resolve it.
    if (answer.status == 409 && random_() % 8 == 0) ++*first_;
    return true;
  }
  std::vector<std::string>& told = told_[key];
  if (std::find(told.begin(), told.end(), answer.body) == told.end()) told.push_back(answer.body);
  if (random_() % 8 == 0) ++*first_;
  return true;
}

std::string JudgePayers(const std::vector<std::unique_ptr<Payer>>& payers,
                        const std::map<std::string, size_t>& runs, uint16_t gateway_port,
                        size_t* paid) {
  for (const auto& [key, count] : runs) {
    if (count > 1) return key + " was run " + std::to_string(count) + " times";
  }
  std::map<std::string, std::set<std::string>> told;
  for (const auto& payer : payers) {
    for (const auto& [key, bodies] : payer->told()) told[key].insert(bodies.begin(), bodies.end());
  }
  Client client(gateway_port);
  for (const auto& [key, bodies] : told) {
    if (bodies.size() > 1) return key + " was told in " + std::to_string(bodies.size()) + " ways";
    if (!runs.contains(key)) return key + " is done, and was never run";
    const HttpAnswer again = Pay(client, key);
    if (!IsDone(again)) return key + " was done, and now it is " + std::to_string(again.status);
    if (again.body != *bodies.begin()) return key + " is now told otherwise";
  }
  *paid = told.size();
  return "";
}

}  // namespace onced
