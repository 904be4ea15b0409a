// SPDX-License-Identifier: MIT
// The description of the API says what the API is: each route is in it and nothing else, what it
// points to is there, and the program serves it.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>

#include "server/http/api.h"
#include "tests/program.h"

namespace onced {
namespace {

using Json = nlohmann::json;

std::string Written() {
  std::ifstream file(std::string(ONCED_SOURCE_DIR) + "/server/http/openapi.json");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(OpenApi, HasEveryRouteAndNoOther) {
  std::set<std::string> described, there;
  const Json document = Json::parse(Written());
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      std::string upper;
      for (const char c : method) upper += static_cast<char>(std::toupper(c));
      described.insert(upper + " " + std::regex_replace(path, std::regex("\\{[a-z]+\\}"), "*"));
    }
  }
  for (const auto& [method, pattern] : Api::Routes()) {
    there.insert(std::string(method) + " " + std::string(pattern));
  }
  EXPECT_EQ(described, there);
}

TEST(OpenApi, PointsToWhatIsThere) {
  const Json document = Json::parse(Written());
  size_t found = 0;
  const std::function<void(const Json&)> look = [&](const Json& node) {
    if (node.is_object() && node.contains("$ref")) {
      const std::string to = node["$ref"];
      ASSERT_TRUE(to.starts_with("#/"));
      EXPECT_TRUE(document.contains(Json::json_pointer(to.substr(1)))) << to;
      ++found;
    }
    if (!node.is_structured()) return;
    for (const Json& member : node) look(member);
  };
  look(document);
  EXPECT_GT(found, 50u);
  std::set<std::string> names;
  for (const Json& operations : document["paths"]) {
    for (const Json& operation : operations) {
      EXPECT_TRUE(names.insert(operation["operationId"].get<std::string>()).second);
      EXPECT_FALSE(operation["responses"].empty());
    }
  }
}

TEST(OpenApi, IsServedAsItIsWritten) {
  const OncedInAFolder here;
  const HttpAnswer answer = here.program.Ask("GET", "/openapi.json");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, Written());
  EXPECT_EQ(answer.Header("Content-Type"), "application/json");
}

// What a claim may have, by the document, is what a claim takes.
TEST(OpenApi, NamesTheFieldsOfAClaim) {
  const Json claim = Json::parse(Written())["components"]["schemas"]["Claim"];
  const OncedInAFolder here;
  Json body;
  for (const auto& [name, schema] : claim["properties"].items()) {
    if (schema.contains("enum")) {
      body[name] = schema["enum"][0];
    } else if (schema["type"] == "integer") {
      body[name] = schema["minimum"];
    } else {
      body[name] = "x";
    }
  }
  const HttpAnswer taken = here.program.Ask("POST", "/v1/claim", body.dump());
  EXPECT_EQ(taken.status, 201) << taken.body;
  const Json claimed = Json::parse(Written())["components"]["schemas"]["Claimed"];
  for (const Json& name : claimed["required"]) {
    EXPECT_NE(taken.Field("/" + name.get<std::string>()), "") << name;
  }
  body["more"] = 1;
  EXPECT_EQ(here.program.Ask("POST", "/v1/claim", body.dump()).status, 400);
}

}  // namespace
}  // namespace onced
