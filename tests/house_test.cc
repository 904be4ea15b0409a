// SPDX-License-Identifier: MIT
// The rules of the house, read off the source tree: who may include whom, which words stay in which
// file, and that the documents and the build name what is there.
//
// Each test is one rule, in three steps: the rule catches a planted offender, lets a planted
// innocent pass, and finds no offence in the real tree. A rule is a function from a tree to
// offences; each offence names the file and says what to do instead.
#include "tests/house.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace onced {
namespace {

TEST(House, IsReadAtAll) {
  EXPECT_TRUE(House().contains("engine/status.h")) << "nothing below " << ONCED_SOURCE_DIR;
  EXPECT_GT(House().size(), 30u);
}

TEST(House, HasFourFloors) {
  const Rule rule = [](const Tree& tree) {
    std::set<std::string> folders;
    for (const auto& [path, text] : tree) {
      if (path.find('/') != std::string::npos) folders.insert(path.substr(0, path.find('/')));
    }
    for (const char* floor : {"engine", "server", "bench", "tests", ".ci"}) folders.erase(floor);
    Offences offences;
    for (const std::string& folder : folders) {
      offences.push_back(folder + "/: a file lives in engine/, server/, bench/ or tests/");
    }
    return offences;
  };
  Catches(rule, {{"util/strings.h", ""}});
  Allows(rule, {{"README.md", ""}, {"server/http/door.h", ""}});
  HoldsInTheHouse(rule);
}

TEST(House, LowerFloorsKnowNothingOfUpperOnes) {
  const Rule rule = NoInclude(
      [](const std::string& path, const std::string& included) {
        return (Below(path, "engine/") && Matches(included, "^(server|bench|tests)/")) ||
               (Below(path, "server/") && Matches(included, "^(bench|tests)/"));
      },
      "arrows point down only; let the upper floor pass a value or a function in");
  Catches(rule, {{"engine/key.cc", Include("server/options.h")}});
  Catches(rule, {{"server/main.cc", "#include \"tests/clocks.h\"\n"}});
  Allows(rule, {{"server/main.cc", Include("engine/ledger.h")}});
  HoldsInTheHouse(rule);
}

TEST(House, EngineSpeaksNoProtocol) {
  const Rule rule = NoInclude(
      [](const std::string& path, const std::string& included) {
        return Below(path, "engine/") &&
               Matches(included,
                       "^(httplib|asio|boost/|nlohmann/|CLI/|curl/|spdlog/|sys/socket|netinet/)");
      },
      "engine/ knows no HTTP, RESP, JSON, flags or sockets; do it in server/");
  Catches(rule, {{"engine/record.cc", Include("nlohmann/json.hpp")}});
  Catches(rule, {{"engine/rocks_store.cc", Include("spdlog/spdlog.h")}});
  Allows(rule, {{"server/wire/listener.cc", Include("asio.hpp")}});
  HoldsInTheHouse(rule);
}

TEST(House, RocksDbStaysInsideTheEngine) {
  const auto may_name_it = [](const std::string& path) {
    return Matches(path, "^(bench|tests)/") || (Below(path, "engine/") && IsSource(path)) ||
           Matches(path, "^engine/(rocks_|ttl_filter|table_reaper)[^/]*\\.h$");
  };
  // "<rocksdb/": RocksDB's own headers, and every header of ours through which they are reached.
  const Rule rule = [&](const Tree& tree) {
    std::set<std::string> reaches;
    const auto leads_there = [&](const std::string& path, const std::string& included) {
      const bool there = Below(included, "rocksdb/") || reaches.contains(included);
      if (there && IsHeader(path)) reaches.insert(path);
      return there && !may_name_it(path);
    };
    const Rule once = NoInclude(leads_there, "leads to RocksDB; use engine/ledger.h or store.h");
    for (size_t known = SIZE_MAX; known != reaches.size();) {
      known = reaches.size();
      once(tree);
    }
    return once(tree);
  };
  Catches(rule, {{"server/main.cc", Include("rocksdb/db.h")}});
  Catches(rule, {{"engine/store.h", Include("rocksdb/db.h")}});
  Catches(rule, {{"server/main.cc", Include("engine/rocks_options.h")},
                 {"engine/rocks_options.h", Include("engine/ttl_filter.h")},
                 {"engine/ttl_filter.h", Include("rocksdb/options.h")}});
  Allows(rule, {{"engine/rocks_store.cc", Include("rocksdb/db.h")},
                {"tests/ttl_filter_test.cc", Include("rocksdb/db.h")}});
  HoldsInTheHouse(rule);
}

TEST(House, DoorsDoNotKnowEachOther) {
  const Rule rule = NoInclude(
      [](const std::string& path, const std::string& included) {
        static const std::string doors[] = {"server/http/", "server/gateway/", "server/redis/"};
        for (const std::string& mine : doors) {
          for (const std::string& other : doors) {
            if (mine != other && Below(path, mine) && Below(included, other)) return true;
          }
        }
        return Below(path, "server/web/") && Below(included, "server/") &&
               std::any_of(std::begin(doors), std::end(doors),
                           [&](const std::string& door) { return Below(included, door); });
      },
      "doors share through engine/, server/wire/ and server/web/; move what both need there");
  Catches(rule, {{"server/redis/door.cc", Include("server/http/json_reader.h")}});
  Catches(rule, {{"server/web/answer.h", Include("server/http/outcome.h")}});
  Allows(rule, {{"server/main.cc", Include("server/http/door.h")},
                {"server/http/door.cc", Include("server/http/door.h")}});
  HoldsInTheHouse(rule);
}

TEST(House, WhoMayCallIsAskedWithoutADoor) {
  const Rule rule = NoInclude(
      [](const std::string& path, const std::string& included) {
        return Below(path, "server/access/") &&
               (Matches(included, "^(httplib|asio|boost/|nlohmann/|CLI/|curl/|sys/socket)") ||
                (Below(included, "server/") && !Below(included, "server/access/")));
      },
      "server/access/ serves every door: let the door read its own protocol, and ask");
  Catches(rule, {{"server/access/token_book.cc", Include("server/wire/exchange.h")}});
  Catches(rule, {{"server/access/doorkeeper.h", Include("httplib.h")}});
  Allows(rule, {{"server/access/token_book.cc", Include("toml++/toml.h")},
                {"server/web/credentials.cc", Include("server/access/token_book.h")}});
  HoldsInTheHouse(rule);
}

TEST(House, HeavyHeadersStayOutOfOurHeaders) {
  const Rule rule = NoInclude(
      [](const std::string& path, const std::string& included) {
        return IsHeader(path) && !Below(path, "server/wire/") &&
               path != "server/redis/redis_connection.h" &&  // its door's alone
               Matches(included, "^(httplib\\.h|asio|boost/|curl/|nlohmann/|toml\\+\\+|curl/)");
      },
      "include it in the .cc and forward-declare, or hide it behind a unique_ptr to an Impl");
  Catches(rule, {{"server/http/door.h", Include("httplib.h")}});
  Catches(rule, {{"tests/client.h", Include("asio.hpp")}});
  Allows(rule, {{"server/http/door.cc", Include("httplib.h")},
                {"server/wire/connection.h", Include("asio/ip/tcp.hpp")}});
  HoldsInTheHouse(rule);
}

TEST(House, MutexesAreOurs) {
  const Rule rule = NoCode(
      [](const std::string& path) {
        return path != "engine/mutex.h" && (Below(path, "engine/") || Below(path, "server/"));
      },
      "std::(\\w*mutex|condition_variable\\w*)\\b",
      "use Mutex, MutexLock and CondVar of engine/mutex.h, which clang checks");
  Catches(rule, {{"server/main.cc", "static std::shared_mutex m;\n"}});
  Allows(rule, {{"engine/mutex.h", "std::mutex m_;"}, {"engine/a.h", "// wraps std::mutex\n"}});
  HoldsInTheHouse(rule);
}

TEST(House, TimeIsReadInOnePlace) {
  const Rule rule = NoCode(
      [](const std::string& path) { return Below(path, "engine/") && path != "engine/clock.cc"; },
      "system_clock|clock_gettime|gettimeofday|\\btime\\((nullptr|NULL|0)\\)",
      "take now_ms as an argument, or a Clock (engine/clock.h)");
  Catches(rule, {{"engine/ledger.cc", "auto now = std::chrono::system_clock::now();"}});
  Catches(rule, {{"engine/ledger.cc", "return time(nullptr);"}});
  Allows(rule, {{"engine/clock.cc", "clock_gettime(CLOCK_BOOTTIME, &t);"}});
  HoldsInTheHouse(rule);
}

TEST(House, TestsDoNotSleep) {
  const Rule rule = [](const Tree& tree) {
    const std::regex nap_call("\\b(sleep_(for|until)|(u|nano)?sleep)\\(");
    Offences offences;
    for (const auto& [path, text] : tree) {
      if (!Below(path, "tests/") || (!IsHeader(path) && !IsSource(path))) continue;
      const std::vector<std::string> lines = Lines(text);
      for (size_t i = 0; i < lines.size(); ++i) {
        const std::string near = (i > 0 ? lines[i - 1] : "") + lines[i];
        if (!std::regex_search(Code(lines[i]), nap_call) || Matches(near, "// real time:"))
          continue;
        offences.push_back(At(path, i) +
                           "sleeps: move a ManualClock, or say why not with `// real time: ...`");
      }
    }
    return offences;
  };
  const std::string nap = std::string("std::this_thread::sleep_") + "for(10ms);";
  Catches(rule, {{"tests/ledger_test.cc", nap}});
  Catches(rule, {{"tests/ledger_test.cc", std::string("usl") + "eep(1000);"}});
  Allows(rule, {{"tests/serve_test.cc", "// real time: the kernel must see idle\n" + nap}});
  HoldsInTheHouse(rule);
}

TEST(House, NoRegexServesRequests) {
  const Rule rule = NoCode(
      [](const std::string& path) { return Below(path, "engine/") || Below(path, "server/"); },
      "std::w?regex|<regex>", "slow, and overflows the stack on long input: write the loop");
  Catches(rule, {{"server/http/router.cc", Include("regex")}});
  Catches(rule, {{"engine/key.cc", "static const std::regex kKey(\"[!-~]+\");"}});
  Allows(rule, {{"tests/house_test.cc", Include("regex")}});
  HoldsInTheHouse(rule);
}

TEST(House, NothingIsLeftForLater) {
  const std::string words = std::string("\\b(FIX") + "ME|TO" + "DO|X" + "XX|HA" + "CK)\\b";
  const Rule rule = NoText(words, false, "do it now, or file an issue and say what is so");
  Catches(rule, {{"README.md", std::string("TO") + "DO: write this"}});
  Catches(rule, {{"server/run", std::string("# FIX") + "ME"}});
  Allows(rule, {{"tests/folder.h", "mkdtemp(\"onced-XXXXXX\") // a todo list"}});
  HoldsInTheHouse(rule);
}

TEST(House, PromisesOnlyWhatItCanKeep) {
  const Rule rule = NoText(std::string("exactly") + "[-\\s/#*]+once", true,
                           "say what holds: at most one execution in progress, never run again");
  Catches(rule, {{"README.md", std::string("Exactly") + "-once delivery"}});
  Catches(rule, {{"engine/a.h", std::string("// runs exactly") + "\n// once"}});
  Allows(rule, {{"README.md", "exactly one answer; at most once in progress"}});
  HoldsInTheHouse(rule);
}

TEST(House, FilesOpenWithLicenceAndHeadersWithProse) {
  const Rule rule = [](const Tree& tree) {
    Offences offences;
    for (const auto& [path, text] : tree) {
      if (!IsHeader(path) && !IsSource(path)) continue;
      const std::vector<std::string> lines = Lines(text);
      if (lines.empty() || lines[0] != "// SPDX-License-Identifier: MIT") {
        offences.push_back(path + ": the first line is `// SPDX-License-Identifier: MIT`");
      } else if (IsHeader(path) && (lines.size() < 2 || !Matches(lines[1], "^// \\S+ \\S+"))) {
        offences.push_back(path + ":2: say in prose what this is and which threads may use it");
      }
    }
    return offences;
  };
  const std::string licence = "// SPDX-License-Identifier: MIT\n";
  Catches(rule, {{"engine/key.h", licence + "#pragma once\n"}});
  Catches(rule, {{"engine/key.cc", "#include <string>\n"}});
  Allows(rule, {{"engine/key.h", licence + "// Key: what makes two requests the same one.\n"},
                {"engine/key.cc", licence + Include("string")}});
  HoldsInTheHouse(rule);
}

TEST(House, FilesStayReadableInOneSitting) {
  constexpr int kLinesMax = 600;
  const Rule rule = [](const Tree& tree) {
    Offences offences;
    for (const auto& [path, text] : tree) {
      const auto lines = std::count(text.begin(), text.end(), '\n');
      if ((!IsHeader(path) && !IsSource(path)) || lines <= kLinesMax) continue;
      offences.push_back(path + ": " + std::to_string(lines) +
                         " lines; split off the part that has a noun of its own");
    }
    return offences;
  };
  Catches(rule, {{"engine/ledger.cc", std::string(kLinesMax + 1, '\n')}});
  Allows(rule, {{"engine/ledger.cc", std::string(kLinesMax, '\n')}});
  HoldsInTheHouse(rule);
}

TEST(House, EverySourceIsBuilt) {
  const Rule rule = [](const Tree& tree) {
    static const std::regex word_like("[\\w./-]+"), comment("#[^\n]*"),
        this_folder("\\$\\{CMAKE_CURRENT_SOURCE_DIR\\}/"), root_folder("\\$\\{\\w+_SOURCE_DIR\\}");
    std::set<std::string> built;
    for (const auto& [path, text] : tree) {
      if (!path.ends_with("CMakeLists.txt")) continue;
      std::string list = std::regex_replace(text, comment, "");
      list = std::regex_replace(std::regex_replace(list, this_folder, ""), root_folder, "");
      const std::filesystem::path folder = std::filesystem::path(path).parent_path();
      for (std::sregex_iterator it(list.begin(), list.end(), word_like), end; it != end; ++it) {
        std::string word = it->str();  // "/engine/key.cc" was ${PROJECT_SOURCE_DIR}/engine/key.cc
        const auto file = word[0] == '/' ? std::filesystem::path(word.substr(1)) : folder / word;
        built.insert(file.lexically_normal().generic_string());
      }
    }
    Offences offences;
    for (const auto& [path, text] : tree) {
      // A list may name a program without its .cc, as in onced_test(key_test).
      if (!IsSource(path) || built.contains(path)) continue;
      if (built.contains(path.substr(0, path.size() - 3))) continue;
      offences.push_back(path + ": no CMakeLists.txt lists it; add it there or delete it");
    }
    return offences;
  };
  Catches(rule, {{"tests/key_test.cc", ""}, {"tests/CMakeLists.txt", "# key_test.cc\n"}});
  Catches(rule, {{"server/http/door.cc", ""}, {"server/CMakeLists.txt", "redis/door.cc"}});
  Allows(rule, {{"server/http/door.cc", ""}, {"server/CMakeLists.txt", "f(x http/door.cc)"}});
  Allows(rule, {{"tests/key_test.cc", ""}, {"tests/CMakeLists.txt", "onced_test(key_test)"}});
  HoldsInTheHouse(rule);
}

TEST(House, DocumentsNameFilesThatExist) {
  const Rule rule = [](const Tree& tree) {
    static const std::regex quoted_path("`(?:\\./)?([\\w.-]+/[\\w./-]*)[^`\n]*`");
    const auto exists = [&tree](std::string path) {
      if (tree.contains(path)) return true;
      if (!path.ends_with("/")) path += "/";
      const auto next = tree.lower_bound(path);
      return next != tree.end() && next->first.starts_with(path);
    };
    Offences offences;
    for (const auto& [document, text] : tree) {
      if (document != "ARCHITECTURE.md" && document != "README.md") continue;
      for (std::sregex_iterator it(text.begin(), text.end(), quoted_path), end; it != end; ++it) {
        std::string path = (*it)[1];
        const bool ours = Matches(path, "^(engine|server|bench|tests)/|\\.(h|cc)$");
        const bool both = path.ends_with(".h/.cc");  // `engine/key.h/.cc` is two files
        if (both) path.resize(path.size() - 4);
        const bool found =
            exists(path) && (!both || exists(path.substr(0, path.size() - 1) + "cc"));
        if (!ours || found) continue;
        const auto line = std::count(text.begin(), text.begin() + it->position(), '\n');
        offences.push_back(At(document, static_cast<size_t>(line)) + path + " does not exist");
      }
    }
    return offences;
  };
  Catches(rule, {{"README.md", "start at `engine/keys.h`"}, {"engine/key.h", ""}});
  Catches(rule, {{"README.md", "the pair `engine/key.h/.cc`"}, {"engine/key.h", ""}});
  Allows(rule, {{"ARCHITECTURE.md", "`engine/`, `./server/run --help`, `/v1/keys`, `a/b`"},
                {"engine/key.h", ""},
                {"server/run", ""}});
  HoldsInTheHouse(rule);
}

}  // namespace
}  // namespace onced
