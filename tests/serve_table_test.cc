// SPDX-License-Identifier: MIT
// The table of what can be asked of `onced serve`: the flag goes before the environment, that
// before the file; what is wrong is told with its place; and what people read is made of the same
// rows.
//
// To write server/OPTIONS.md anew:
//   ONCED_WRITE_OPTIONS=1 build/dev/tests/onced_server_tests --gtest_filter='OptionDocument.*'
#include "server/serve_table.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "server/config/option_document.h"
#include "server/config/option_sources.h"
#include "server/json/json_reader.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using Flags = std::map<std::string, std::string>;
using Environment = std::vector<std::string>;

// The file's text, when there is any, and where it lies.
struct Asked {
  explicit Asked(const std::string& text) {
    if (!text.empty()) WriteFile(file, text);
  }
  Status Read(Flags flags, const Environment& environment = {}) {
    if (std::ifstream(file).good()) flags.emplace("config", file);
    return table.Read(flags, environment);
  }
  TempFolder folder;
  const std::string file = folder.path("onced.toml");
  ServeTable table;
};

std::string Complaint(const std::string& text, const Environment& environment = {}) {
  Asked asked(text);
  std::string said = asked.Read({}, environment).message();
  const size_t at = said.find("onced.toml");
  return at == std::string::npos ? said : said.substr(at);
}

TEST(ServeTable, TakesTheNearestWord) {
  Asked asked(
      "lease = \"2s\"\nretention = \"2d\"\naudit = false\nheaders_max = 20\ndata = \"d\"\n");
  const Status read =
      asked.Read({{"lease", "4s"}}, {"ONCED_LEASE=3s", "ONCED_RETENTION=3d", "PATH=x"});
  ASSERT_TRUE(read.ok()) << read.message();
  const ServeOptions& options = asked.table.options();
  EXPECT_EQ(options.lease, milliseconds(4'000));
  EXPECT_EQ(options.retention, milliseconds(3 * 86'400'000));
  EXPECT_FALSE(options.audit);
  EXPECT_EQ(options.limits.headers, 20u);
  EXPECT_EQ(options.audit_retention, milliseconds(86'400'000));
  const std::pair<const char*, Source> sources[] = {{"lease", Source::kFlag},
                                                    {"retention", Source::kEnvironment},
                                                    {"audit", Source::kFile},
                                                    {"audit-retention", Source::kDefault}};
  for (const auto& [name, source] : sources) {
    EXPECT_EQ(asked.table.rows().Find(name)->source, source) << name;
  }
}

TEST(ServeTable, FindsItsFileByTheEnvironment) {
  Asked asked("lease = \"2s\"\n");
  ServeTable table;
  ASSERT_TRUE(table.Read({}, {"ONCED_CONFIG=" + asked.file}).ok());
  EXPECT_EQ(table.options().lease, milliseconds(2'000));
}

TEST(ServeTable, BeginsPathsOfTheFileAtItsFolder) {
  Asked asked("data = \"d\"\ntokens = \"/t\"\n");
  ASSERT_TRUE(asked.Read({{"tls-cert", "c"}, {"tls-key", "k"}}).ok());
  EXPECT_EQ(asked.table.options().data, asked.folder.path("d"));
  EXPECT_EQ(asked.table.options().tokens, "/t");
  EXPECT_EQ(asked.table.options().tls.certificate, "c") << "a flag's begins where it was typed";
}

TEST(ServeTable, TellsWhereWhatIsWrongStands) {
  const std::pair<const char*, const char*> wrong[] = {
      {"\nlase = \"5s\"", "onced.toml:2:1: lase: there is no such setting; did you mean lease?"},
      {"lease = 5", "onced.toml:1:9: lease: must be a string, such as \"30s\""},
      {"lease = \"5\"", "onced.toml:1:9: lease: must be 100ms..1h, such as 30s"},
      {"audit = \"on\"", "onced.toml:1:9: audit: must be true or false"},
      {"durability = \"synch\"",
       "onced.toml:1:14: durability: must be one of sync|interval|os; did you mean sync?"},
      {"headers_max = \"9\"", "onced.toml:1:15: headers_max: must be a number"},
      {"headers_max = 7", "onced.toml:1:15: headers_max: must be 8..1000"},
      {"head_bytes_max = true",
       "onced.toml:1:18: head_bytes_max: must be a string, such as \"16KiB\""},
      {"data = \"\"", "onced.toml:1:8: data: must not be empty"},
      {"accept_data_loss = true", "onced.toml:1:1: accept_data_loss: there is no such setting"},
      {"config = \"a\"", "onced.toml:1:1: config: there is no such setting"},
      {"upstream = \"http://a\"", "onced.toml:1:1: upstream: there is no such setting"},
      {"lease = \"5s\"\nlease = \"6s\"", "onced.toml:2:"},
      {"[gateway]\nlisten = 1\n", "onced.toml:2:10: listen: "},
  };
  for (const auto& [text, complaint] : wrong) {
    EXPECT_TRUE(Complaint(text).starts_with(complaint)) << text << "\n" << Complaint(text);
  }
}

TEST(ServeTable, NamesTheVariableThatIsWrong) {
  EXPECT_EQ(Complaint("", {"ONCED_LEASE=5"}),
            "ONCED_LEASE: must be 100ms..1h, such as 30s (ms, s, m, h, d)");
  EXPECT_EQ(Complaint("", {"ONCED_LEASE="}), "") << "an empty one is none, as shells unset them";
  EXPECT_EQ(Complaint("", {"ONCED_ACCEPT_DATA_LOSS=on"}), "") << "said for one start, not kept";
  // What no single one can tell names it as it was written.
  EXPECT_TRUE(Complaint("", {"ONCED_TLS_CERT=c"}).starts_with("ONCED_TLS_CERT: needs both"));
  EXPECT_TRUE(Complaint("tls_key = \"k\"").starts_with("onced.toml:1:11: tls_key: needs both"));
  EXPECT_NE(Complaint("http = \"0.0.0.0:80\"").find("needs --tokens"), std::string::npos);
}

TEST(ServeTable, TellsWhereWhatContradictsStands) {
  const std::string route =
      "[[gateway.upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:7\"\n[[gateway.route]]\n"
      "name = \"a\"\nprefix = \"/\"\nupstream = \"a\"\n";
  const std::pair<std::string, const char*> wrong[] = {
      {"audit = true\nhttp = \"0.0.0.0:80\"\n", "onced.toml:2:8: http: an address that is not"},
      {"tokens = \"t\"\ninsecure_no_auth = true\n", "onced.toml:2:20: insecure_no_auth: does not"},
      {"redis_scripts = true\n", "onced.toml:1:17: redis_scripts: needs --redis"},
      {"[gateway]\nlisten = \"127.0.0.1\"\n", "onced.toml:2:10: gateway.listen: needs --upstream"},
      {"[gateway]\nlisten = \"127.0.0.1:7\"\n" + route, "onced.toml:3:"},
      {"\n" + route, "onced.toml:5:1: gateway.route: needs --gateway"}};
  for (const auto& [text, complaint] : wrong) {
    EXPECT_TRUE(Complaint(text).starts_with(complaint)) << text << "\n" << Complaint(text);
  }
}

TEST(ServeTable, NamesWhatHasNamedAFileThatIsNotThere) {
  ServeTable by_variable, by_flag;
  EXPECT_TRUE(by_variable.Read({}, {"ONCED_CONFIG=/none/x"})
                  .message()
                  .starts_with("ONCED_CONFIG: /none/x: "));
  EXPECT_TRUE(by_flag.Read({{"config", "/none/y"}}, {"ONCED_CONFIG=/none/x"})
                  .message()
                  .starts_with("--config: /none/y: "));
}

TEST(ServeTable, KnowsVariablesThatAreNone) {
  ServeTable rows;
  EXPECT_EQ(StrangeVariables({"ONCED_LEASE=1", "PATH=x", "ONCEDX=1"}, rows.rows()),
            std::vector<std::string>{});
  EXPECT_EQ(StrangeVariables({"ONCED_DURABLITY=sync"}, rows.rows()),
            std::vector<std::string>{
                "ONCED_DURABLITY: there is no such option; did you mean ONCED_DURABILITY?"});
}

TEST(ServeTable, HoldsTheFileToWhoMayWriteIt) {
  Asked asked("lease = \"5s\"");
  ASSERT_EQ(chmod(asked.file.c_str(), 0666), 0);
  EXPECT_NE(asked.Read({}).message().find("onced.toml: its mode is 0666"), std::string::npos);
  ServeTable none;
  EXPECT_NE(none.Read({{"config", asked.file + ".none"}}, {}).message().find("No such file"),
            std::string::npos);
}

// What was commented out is either the default or an example; each is a setting that is taken.
TEST(OptionDocument, HasAnExampleThatIsTaken) {
  ServeTable table;
  const std::string example = ExampleFile(table.rows());
  EXPECT_TRUE(Asked(example).Read({}).ok());
  std::istringstream lines(example);
  bool in_gateway = false;
  size_t settings = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#') || line.starts_with("# ")) continue;
    line = line.substr(1);
    if (line == "[gateway]") {
      in_gateway = true;
      continue;
    }
    ++settings;
    const std::string text = (in_gateway ? "[gateway]\n" : "") + line + "\n";
    const std::string said = Complaint(text);
    // Alone some of them lack what goes with them, which is said by the name of the option.
    EXPECT_FALSE(said.find(": needs ") == said.npos && said.find(": beyond ") == said.npos &&
                 said.starts_with("onced.toml:" + std::to_string(in_gateway ? 2 : 1)))
        << text << said;
  }
  EXPECT_GT(settings, 30u);
}

// What is shown is a file that means the same.
TEST(OptionDocument, ShowsAFileThatMeansTheSame) {
  Asked asked("lease = \"2s\"\ntokens = \"a\\\"b\\\\c\\u0007\"\nbody_bytes_max = \"2MiB\"\n");
  ASSERT_TRUE(asked.Read({{"redis", "[::1]:1"}, {"audit", "off"}, {"redis-scripts", "off"}}).ok());
  Asked again(ShownAsFile(asked.table.rows()));
  const Status read = again.Read({});
  ASSERT_TRUE(read.ok()) << read.message() << "\n" << ShownAsFile(asked.table.rows());
  for (const Option& row : asked.table.rows().rows()) {
    std::string expected = row.text();
    if (row.name == "config") expected = again.file;
    if (row.name == "data") expected = std::filesystem::absolute(expected).string();
    EXPECT_EQ(again.table.rows().Find(row.name)->text(), expected) << row.name;
  }
  const std::string json = ShownAsJson(asked.table.rows());
  EXPECT_NE(json.find(R"({"name":"lease","value":"2s","source":"file"})"), std::string::npos)
      << json;
  EXPECT_NE(json.find(R"({"name":"tls-cert","value":null,"source":"default"})"), std::string::npos);
}

TEST(OptionDocument, ShowsWhatIsNoTextAsText) {
  Asked asked("");
  ASSERT_TRUE(asked.Read({{"data", "a\xff\xfe\"b"}, {"tokens", "caf\u00e9"}}).ok());
  const std::string file = ShownAsFile(asked.table.rows());
  EXPECT_NE(file.find("\n# data = \""), std::string::npos) << file;
  EXPECT_NE(file.find("a\uFFFD\uFFFD\\\"b\"  # flag; not as it is"), std::string::npos) << file;
  EXPECT_NE(file.find("caf\u00e9\""), std::string::npos) << file;
  EXPECT_TRUE(Asked(file).Read({}).ok()) << "it is a file all the same";
  const std::string json = ShownAsJson(asked.table.rows());
  EXPECT_TRUE(ValidateJson(json).ok()) << json;
  EXPECT_NE(json.find("a\uFFFD\uFFFD\\\"b"), std::string::npos) << json;
}

TEST(OptionDocument, ShowsTheRoutes) {
  ServeTable table;
  const std::vector<ShownRoute> routes = {{"pay", "/pay", "http://127.0.0.1:3000"}};
  const std::string file = ShownAsFile(table.rows(), routes);
  EXPECT_NE(file.find("\n# gateway.route pay: /pay -> http://127.0.0.1:3000\n"), std::string::npos);
  const std::string json = ShownAsJson(table.rows(), routes);
  EXPECT_NE(
      json.find(R"("routes":[{"name":"pay","prefix":"/pay","upstream":"http://127.0.0.1:3000"}])"),
      std::string::npos);
}

TEST(OptionDocument, IsWhatTheTableSays) {
  ServeTable table;
  const std::string path = std::string(ONCED_SOURCE_DIR) + "/server/OPTIONS.md";
  if (std::getenv("ONCED_WRITE_OPTIONS") != nullptr) {
    std::ofstream(path) << OptionDocument(table.rows());
  }
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), OptionDocument(table.rows()));
  std::set<std::string> names;
  for (const Option& row : table.rows().rows()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " is there twice";
    EXPECT_FALSE(row.for_whom.empty()) << row.name;
    EXPECT_FALSE(row.help.empty()) << row.name;
    EXPECT_TRUE(row.setting.empty() || !row.default_text.empty() || !row.example.empty())
        << row.name << " has neither a default nor an example";
  }
}

}  // namespace
}  // namespace onced
