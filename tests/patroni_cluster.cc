// SPDX-License-Identifier: MIT
#include "tests/patroni_cluster.h"

#include <signal.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/postgres_programs.h"
#include "tests/program.h"

namespace onced {
namespace {

constexpr char kEtcd[] = "/usr/bin/etcd";
constexpr char kPatroni[] = "/usr/bin/patroni";
constexpr std::chrono::seconds kSettles{90};

std::string Address(uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

// It and what it has begun.
std::vector<pid_t> Family(pid_t parent) {
  std::vector<pid_t> family{parent};
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    std::from_chars(name.data(), name.data() + name.size(), pid);
    if (pid == 0) continue;
    const std::string stat = ReadFile(entry.path() / "stat");  // pid (name) state parent ...
    const size_t behind = stat.rfind(')');
    if (behind == std::string::npos || stat.size() < behind + 4) continue;
    if (std::atoi(stat.c_str() + behind + 4) == parent) family.push_back(pid);
  }
  return family;
}

}  // namespace

std::string PatroniCluster::WhyNot() {
  if (!std::filesystem::exists(kPatroni)) return "Patroni is not installed (Debian: patroni)";
  if (!std::filesystem::exists(kEtcd)) return "etcd is not installed (Debian: etcd-server)";
  return WhyNoPostgres();
}

PatroniCluster::PatroniCluster() {
  GiveToPostgres(std::filesystem::path(folder_.path()).parent_path());
  for (Node& node : nodes_) {
    node.etcd = FreePort();
    node.etcd_peers = FreePort();
    node.patroni = FreePort();
    node.postgres = FreePort();
  }
  StartEtcd();
  for (size_t i = 0; i < kNodes; ++i) StartPatroni(i);
  if (!Settles()) throw std::runtime_error("Patroni: " + Said());
}

PatroniCluster::~PatroniCluster() {
  for (size_t i = 0; i < kNodes; ++i) {
    nodes_[i].patroni_process.reset();  // which would start the other again
    const pid_t postmaster = Postmaster(i);
    if (postmaster == 0) continue;
    kill(postmaster, SIGCONT);
    kill(postmaster, SIGQUIT);  // at once, and it takes its shared memory with it
    if (!Eventually([&] { return kill(postmaster, 0) != 0; })) kill(postmaster, SIGKILL);
  }
}

void PatroniCluster::StartEtcd() {
  std::string all;
  for (const Node& node : nodes_) {
    all += (all.empty() ? "" : ",") + std::string("e") + std::to_string(&node - nodes_.data()) +
           "=http://" + Address(node.etcd_peers);
  }
  for (size_t i = 0; i < kNodes; ++i) {
    const std::string clients = "http://" + Address(nodes_[i].etcd);
    const std::string peers = "http://" + Address(nodes_[i].etcd_peers);
    nodes_[i].etcd_process =
        std::make_unique<Child>(std::vector<std::string>{kEtcd,
                                                         "--name",
                                                         "e" + std::to_string(i),
                                                         "--data-dir",
                                                         folder_.path("etcd" + std::to_string(i)),
                                                         "--listen-client-urls",
                                                         clients,
                                                         "--advertise-client-urls",
                                                         clients,
                                                         "--listen-peer-urls",
                                                         peers,
                                                         "--initial-advertise-peer-urls",
                                                         peers,
                                                         "--initial-cluster",
                                                         all,
                                                         "--initial-cluster-state",
                                                         "new",
                                                         "--enable-v2",
                                                         "--election-timeout",
                                                         "2000",
                                                         "--heartbeat-interval",
                                                         "200"});
  }
}

// As short as Patroni lets these times be: a lead ends 20 s after it was last renewed.
void PatroniCluster::StartPatroni(size_t i) {
  Node& node = nodes_[i];
  std::string etcds;
  for (const Node& each : nodes_) etcds += (etcds.empty() ? "" : ", ") + Address(each.etcd);
  const std::string path = folder_.path("patroni" + std::to_string(i) + ".yml");
  std::ofstream(path) << "scope: onced\nname: n" << i
                      << "\nrestapi:\n  listen: " << Address(node.patroni)
                      << "\n  connect_address: " << Address(node.patroni)
                      << "\netcd:\n  hosts: " << etcds << R"(
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    synchronous_mode: true
    synchronous_mode_strict: true
    master_start_timeout: 0
    postgresql:
      use_pg_rewind: true
      parameters: {shared_buffers: 32MB, max_connections: 100}
  initdb: [{encoding: UTF8}, {locale: C}, data-checksums]
  pg_hba:
  - host all all 127.0.0.1/32 trust
  - host replication all 127.0.0.1/32 trust
  - local all all trust
postgresql:
  listen: )" << Address(node.postgres)
                      << "\n  connect_address: " << Address(node.postgres)
                      << "\n  data_dir: " << DataFolder(i)
                      << "\n  bin_dir: " << PostgresProgramsFolder()
                      << "\n  pgpass: " << folder_.path("pgpass" + std::to_string(i)) << R"(
  authentication:
    superuser: {username: postgres, password: of-a-test}
    replication: {username: follower, password: of-a-test}
  parameters: {unix_socket_directories: )"
                      << std::filesystem::path(path).parent_path().string() << "}\n"
                      << "watchdog: {mode: 'off'}\n";
  node.patroni_process = std::make_unique<Child>(AsPostgres({kPatroni, path}));
}

std::string PatroniCluster::DataFolder(size_t node) const {
  return folder_.path("postgres" + std::to_string(node));
}

pid_t PatroniCluster::Postmaster(size_t node) const {
  pid_t pid = 0;
  std::ifstream(DataFolder(node) + "/postmaster.pid") >> pid;
  return pid;
}

std::string PatroniCluster::Url() const {
  std::string hosts;
  for (const Node& node : nodes_) hosts += (hosts.empty() ? "" : ",") + Address(node.postgres);
  return "postgres://postgres@" + hosts +
         "/postgres?sslmode=disable&target_session_attrs=read-write";
}

bool PatroniCluster::Is(const Node& node, const std::string& role) const {
  if (node.frozen) return false;
  Client client(node.patroni);
  if (!client.connected() || !client.Send(RequestText("GET", "/" + role))) return false;
  std::string head;
  while (head.find("\r\n") == std::string::npos) {
    const std::string more = client.ReceiveSome(std::chrono::seconds(2));
    if (more.empty()) return false;
    head += more;
  }
  return head.substr(0, head.find("\r\n")).find(" 200 ") != std::string::npos;
}

std::optional<size_t> PatroniCluster::Leader() const {
  for (size_t i = 0; i < kNodes; ++i) {
    if (Is(nodes_[i], "primary")) return i;
  }
  return std::nullopt;
}

bool PatroniCluster::Settles() const {
  const auto until = std::chrono::steady_clock::now() + kSettles;
  while (std::chrono::steady_clock::now() < until) {
    const auto are = [&](const std::string& role) {
      return std::ranges::count_if(nodes_, [&](const Node& node) { return Is(node, role); });
    };
    if (are("primary") == 1 && are("sync") == 1 && are("replica") == 2) return true;
    // real time: Patroni looks once a second
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return false;
}

void PatroniCluster::KillPostgres(size_t node) const {
  const pid_t postmaster = Postmaster(node);
  if (postmaster == 0 || kill(postmaster, SIGKILL) != 0) throw std::runtime_error("no PostgreSQL");
}

// First those that make others.
void PatroniCluster::Signal(size_t node, int number) const {
  for (const pid_t first : {nodes_[node].patroni_process->pid(), Postmaster(node)}) {
    if (first == 0) continue;
    kill(first, number);
    for (const pid_t pid : Family(first)) kill(pid, number);
  }
}

void PatroniCluster::Freeze(size_t node) {
  Signal(node, SIGSTOP);
  nodes_[node].frozen = true;
}

void PatroniCluster::Thaw(size_t node) {
  Signal(node, SIGCONT);
  nodes_[node].frozen = false;
}

std::string PatroniCluster::Said() const {
  std::string said;
  for (const Node& node : nodes_) {
    for (const Child* const child : {node.etcd_process.get(), node.patroni_process.get()}) {
      if (child == nullptr) continue;
      const std::string all = child->Said();
      said += "\n---\n" + all.substr(all.size() - std::min<size_t>(all.size(), 1'500));
    }
  }
  return said;
}

}  // namespace onced
