// SPDX-License-Identifier: MIT
#include "tests/postgres_cluster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "engine/postgres_schema.h"
#include "tests/postgres_programs.h"

namespace onced {
namespace {

// A folder in memory for the log; empty where there is no room.
std::string MakeLogFolder() {
  std::error_code none;
  const auto space = std::filesystem::space("/dev/shm", none);
  std::string name = "/dev/shm/onced-test-XXXXXX";
  if (none || space.available < size_t{1} << 30 || mkdtemp(name.data()) == nullptr) return "";
  return name;
}

uint16_t APort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool ok = bind(fd, any, size) == 0 && getsockname(fd, any, &size) == 0;
  close(fd);
  if (!ok) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

std::vector<std::string> Column(const std::string& url, const std::string& sql) {
  const auto connection = Value(PostgresConnection::Open(url, {}));
  const PostgresStatement statement{"", sql};
  const PostgresCall call{&statement, {}};
  const PostgresAnswer answer = connection->Run({&call, 1});
  if (!answer.ok()) throw std::runtime_error(sql + ": " + answer.error->message);
  std::vector<std::string> column;
  for (size_t i = 0; i < answer.rows[0].size(); ++i)
    column.emplace_back(answer.rows[0].Bytes(i, 0));
  return column;
}

std::string SchemaName() {
  std::random_device random;
  return "t" + std::to_string(random()) + "_" + std::to_string(random());
}

}  // namespace

PostgresCluster& PostgresCluster::Shared() {
  static PostgresCluster cluster;
  return cluster;
}

PostgresCluster::PostgresCluster()
    : log_folder_(MakeLogFolder()), programs_(PostgresProgramsFolder()), port_(APort()) {
  const std::string data = folder_.path();
  const std::string parent = std::filesystem::path(data).parent_path();
  GiveToPostgres(parent);
  if (!log_folder_.empty()) GiveToPostgres(log_folder_);
  std::vector<std::string> words = {programs_ + "initdb", "-D",        data,           "-U",
                                    "postgres",           "--no-sync", "--auth=trust", "--locale=C",
                                    "--encoding=UTF8"};
  if (!log_folder_.empty()) words.push_back("--waldir=" + log_folder_ + "/wal");
  Child initdb(AsPostgres(words));
  if (!Eventually([&] { return initdb.Ended(); }) || initdb.code() != 0) {
    throw std::runtime_error("initdb: " + initdb.Said());
  }
  Start();
}

PostgresCluster::~PostgresCluster() {
  if (server_ != nullptr) {
    kill(server_->pid(), SIGQUIT);  // at once, and it takes its shared memory with it
    Eventually([&] { return server_->Ended(); });
  }
  std::error_code ignored;
  if (!log_folder_.empty()) std::filesystem::remove_all(log_folder_, ignored);
}

void PostgresCluster::Start() {
  const std::string data = folder_.path();
  server_ = std::make_unique<Child>(AsPostgres(
      {programs_ + "postgres", "-D", data, "-k", data, "-p", std::to_string(port_), "-c",
       "listen_addresses=127.0.0.1", "-c", "full_page_writes=off", "-c", "max_wal_size=256MB", "-c",
       "shared_buffers=32MB", "-c", "max_connections=200", "-c", "autovacuum=off"}));
  const bool up = Eventually([&] {
    if (server_->Ended()) throw std::runtime_error("postgres: " + server_->Said());
    return PostgresConnection::Open(Url("public"), {}).ok();
  });
  if (!up) throw std::runtime_error("postgres: " + server_->Said());
}

void PostgresCluster::Kill() {
  const std::vector<std::string> backends = Sql("SELECT pid::text FROM pg_stat_activity");
  kill(server_->pid(), SIGKILL);
  Eventually([&] { return server_->Ended(); });
  // Its backends see that it is gone; until then they answer, and a new one would not start beside
  // them.
  for (const std::string& pid : backends) {
    if (!Eventually([&] { return kill(std::stoi(pid), 0) != 0; })) {
      throw std::runtime_error("postgres does not die");
    }
  }
  server_.reset();
}

std::string PostgresCluster::Url(const std::string& schema, uint16_t port) const {
  return "postgres://postgres@127.0.0.1:" + std::to_string(port != 0 ? port : port_) +
         "/postgres?sslmode=disable&options=-csearch_path%3D" + schema;
}

std::vector<std::string> PostgresCluster::Sql(const std::string& statement) const {
  return Column(Url("public"), statement);
}

PostgresFolder::PostgresFolder(PostgresCluster& cluster)
    : cluster_(cluster), schema_(SchemaName()) {
  cluster_.Sql("CREATE SCHEMA " + schema_);
  Must(MigratePostgres(url()));
}

PostgresFolder::~PostgresFolder() {
  try {
    cluster_.Sql("DROP SCHEMA " + schema_ + " CASCADE");
  } catch (const std::exception&) {
    // The whole cluster goes, too.
  }
}

std::vector<std::string> PostgresFolder::Sql(const std::string& statement) const {
  return Column(url(), statement);
}

std::unique_ptr<PostgresStore> PostgresFolder::Open(
    const std::function<void(PostgresStoreOptions&)>& adjust) const {
  PostgresStoreOptions options;
  options.url = url();
  adjust(options);
  return Value(PostgresStore::Open(options));
}

}  // namespace onced
