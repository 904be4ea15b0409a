// SPDX-License-Identifier: MIT
#include "server/redis/info.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <functional>

#include "server/redis/argument.h"
#include "server/redis/client_commands.h"
#include "server/redis/interpreter.h"

namespace onced::redis {
namespace {

class Section {
 public:
  template <typename Value>
  void Add(std::string_view name, const Value& value) {
    text_.append(name).append(":");
    if constexpr (std::is_arithmetic_v<Value>) {
      text_.append(std::to_string(value));
    } else {
      text_.append(value);
    }
    text_.append("\r\n");
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

std::string ForPeople(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "K", "M", "G"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit < 3; ++unit) value /= 1024;
  std::array<char, 32> text;
  const int size = std::snprintf(text.data(), text.size(), "%.2f%s", value, kUnits[unit]);
  return {text.data(), static_cast<size_t>(size)};
}

std::string Server(Interpreter& redis, Session&) {
  const int64_t up_s = (redis.data().clock_ms() - redis.started_ms) / 1000;
  Section s;
  s.Add("redis_version", kRedisVersion);
  s.Add("server_name", "onced");
  s.Add("onced_version", redis.options().version);
  s.Add("redis_mode", "standalone");
  s.Add("os", "Linux");
  s.Add("arch_bits", sizeof(void*) * 8);
  s.Add("process_id", getpid());
  s.Add("run_id", redis.run_id());
  s.Add("tcp_port", redis.options().port);
  s.Add("uptime_in_seconds", up_s);
  s.Add("uptime_in_days", up_s / 86'400);
  return s.Take();
}

std::string Clients(Interpreter& redis, Session&) {
  Section s;
  s.Add("connected_clients", redis.sessions().size());
  s.Add("maxclients", redis.options().connections_max);
  s.Add("blocked_clients", 0);
  s.Add("pubsub_clients", std::count_if(redis.sessions().begin(), redis.sessions().end(),
                                        [](const auto& one) { return one.second->listens(); }));
  return s.Take();
}

std::string Memory(Interpreter&, Session&) {
  const uint64_t resident = ResidentBytes();
  Section s;
  s.Add("used_memory", resident);
  s.Add("used_memory_human", ForPeople(resident));
  s.Add("used_memory_rss", resident);
  s.Add("used_memory_rss_human", ForPeople(resident));
  s.Add("maxmemory", 0);
  s.Add("maxmemory_human", "0B");
  s.Add("maxmemory_policy", "noeviction");
  return s.Take();
}

std::string Persistence(Interpreter& redis, Session&) {
  Section s;
  s.Add("loading", 0);
  s.Add("async_loading", 0);
  s.Add("rdb_bgsave_in_progress", 0);
  s.Add("aof_enabled", 1);
  s.Add("aof_rewrite_in_progress", 0);
  s.Add("onced_durability", redis.options().durability);
  return s.Take();
}

std::string Stats(Interpreter& redis, Session&) {
  Section s;
  s.Add("total_connections_received", redis.connections);
  s.Add("total_commands_processed", redis.commands);
  s.Add("total_net_input_bytes", redis.bytes_in);
  s.Add("total_net_output_bytes", redis.bytes_out);
  s.Add("rejected_connections", redis.rejected_connections);
  s.Add("evicted_keys", 0);
  s.Add("evicted_clients", redis.evicted_connections);
  s.Add("keyspace_hits", redis.data().hits);
  s.Add("keyspace_misses", redis.data().misses);
  s.Add("pubsub_channels", redis.channels().Count());
  s.Add("pubsub_patterns", redis.channels().PatternCount());
  s.Add("unknown_commands", redis.unknown_commands());
  return s.Take();
}

std::string Replication(Interpreter&, Session&) {
  Section s;
  s.Add("role", "master");
  s.Add("connected_slaves", 0);
  s.Add("master_repl_offset", 0);
  return s.Take();
}

std::string Cpu(Interpreter&, Session&) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    std::array<char, 32> text;
    const int size = std::snprintf(text.data(), text.size(), "%ld.%06ld",
                                   static_cast<long>(time.tv_sec), static_cast<long>(time.tv_usec));
    return std::string(text.data(), static_cast<size_t>(size));
  };
  Section s;
  s.Add("used_cpu_sys", seconds(usage.ru_stime));
  s.Add("used_cpu_user", seconds(usage.ru_utime));
  return s.Take();
}

std::string Cluster(Interpreter&, Session&) {
  Section s;
  s.Add("cluster_enabled", 0);
  return s.Take();
}

// What a database holds: exactly, if it is little, and else estimated from the first names, which
// are spread evenly. Some clients ask for it whenever they connect: it must be cheap.
std::string DatabaseLine(Databases& data, Selected db) {
  constexpr size_t kLooked = 1'000;
  uint64_t keys = 0;
  uint64_t mortal = 0;
  double left_ms = 0;
  const uint32_t end = data.Scan(db, 0, kLooked, [&](std::string_view, const Entry& entry) {
    ++keys;
    if (entry.dead_at_ms == kNeverMs) return;
    ++mortal;
    left_ms += static_cast<double>(entry.dead_at_ms - data.now_ms());
  });
  if (keys == 0) return "";
  const double share = end == 0 ? 1 : static_cast<double>(end) / Keyspace::kSlots;
  const auto all = [share](uint64_t seen) {
    return std::to_string(static_cast<uint64_t>(static_cast<double>(seen) / share));
  };
  const double average_ms = mortal == 0 ? 0 : left_ms / static_cast<double>(mortal);
  return "keys=" + all(keys) + ",expires=" + all(mortal) +
         ",avg_ttl=" + std::to_string(static_cast<int64_t>(average_ms));
}

std::string KeyspaceSection(Interpreter& redis, Session& session) {
  Section s;
  for (int number = 0; number < kDatabases; ++number) {
    const std::string line =
        DatabaseLine(redis.data(), redis.data().Select(session.tenant, number));
    if (!line.empty()) s.Add("db" + std::to_string(number), line);
  }
  return s.Take();
}

struct SectionRow {
  const char* name;
  std::string (*text)(Interpreter&, Session&);
};
constexpr SectionRow kSections[] = {
    {"Server", Server},
    {"Clients", Clients},
    {"Memory", Memory},
    {"Persistence", Persistence},
    {"Stats", Stats},
    {"Replication", Replication},
    {"CPU", Cpu},
    {"Modules", [](Interpreter&, Session&) { return std::string(); }},
    {"Errorstats", [](Interpreter&, Session&) { return std::string(); }},
    {"Cluster", Cluster},
    {"Keyspace", KeyspaceSection},
};

bool SameWord(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return LowerOf(x) == LowerOf(y);
         });
}

bool IsWanted(std::string_view name, std::span<const std::string_view> sections) {
  if (sections.empty()) return true;
  return std::any_of(sections.begin(), sections.end(), [name](std::string_view one) {
    return SameWord(one, name) || Is(one, "all") || Is(one, "default") || Is(one, "everything");
  });
}

}  // namespace

std::string InfoText(Interpreter& redis, Session& session,
                     std::span<const std::string_view> sections) {
  std::string text;
  for (const SectionRow& row : kSections) {
    if (!IsWanted(row.name, sections)) continue;
    if (!text.empty()) text += "\r\n";
    text += "# " + std::string(row.name) + "\r\n" + row.text(redis, session);
  }
  return text;
}

}  // namespace onced::redis
