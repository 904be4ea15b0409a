// SPDX-License-Identifier: MIT
#include "bench/servers.h"

#include <httplib.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace onced::bench {
namespace {

constexpr int kListLimit = 1'000;

size_t Occurrences(const std::string& text, const std::string& of) {
  size_t count = 0;
  for (size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++count;
  return count;
}

// What a connection was still waiting for when wrk stopped may be there as well.
void CheckCount(const std::string& of_what, int64_t there, double answered, int under_way) {
  const auto least = static_cast<int64_t>(answered);
  if (there >= least && there <= least + under_way) return;
  Fail("wrong count: there are " + std::to_string(there) + " " + of_what + ", not " +
       std::to_string(least) + ".." + std::to_string(least + under_way));
}

// Makes the cluster's folder, owned by who will run it, and the cluster.
std::string NewCluster(const std::string& programs, const TempFolder& folder) {
  std::string cluster = folder.path() / "cluster";
  std::filesystem::create_directory(cluster);
  const passwd* user = geteuid() == 0 ? getpwnam("postgres") : nullptr;
  if (user != nullptr && chown(cluster.c_str(), user->pw_uid, user->pw_gid) != 0) {
    Fail("cannot give " + cluster + " to postgres");
  }
  Output({.words = {programs + "initdb", "--pgdata", cluster, "--username", "postgres", "--auth",
                    "trust", "--no-instructions"},
          .as_postgres = true});
  return cluster;
}

}  // namespace

Server::Server(const Command& command)
    : child_(command, log_folder_.path() / "log"),
      port_(std::atoi(child_.Await("127.0.0.1:").c_str())) {}

Measured Server::Serve(const Workload& workload, const WrkOptions& options) {
  const auto before = child_.CpuTime();
  const Measured measured = RunWrk(workload, port_, options);
  cpu_us_per_request_ =
      static_cast<double>((child_.CpuTime() - before).count()) / measured.requests;
  return measured;
}

OncedServer::OncedServer(const std::string& program, const std::string& durability)
    : server_({.words = {program, "serve", "--http", "127.0.0.1:0", "--data",
                         folder_.path() / "data", "--durability", durability}}) {}

void OncedServer::StoreHotKey() {
  httplib::Client client("127.0.0.1", server_.port());
  const std::string body = "{\"key\":\"" + std::string(kHotKey) + "\",\"fingerprint\":\"" +
                           Fingerprint() + "\",\"result\":" + HundredByteResult() + "}";
  const auto answer = client.Post("/v1/complete", body, "application/json");
  if (!answer || answer->status != 200) Fail("the hot key could not be stored");
  const auto replay = client.Post(
      "/v1/claim",
      "{\"key\":\"" + std::string(kHotKey) + "\",\"fingerprint\":\"" + Fingerprint() + "\"}",
      "application/json");
  if (!replay || replay->body.find("\"replay\"") == std::string::npos ||
      replay->body.find(HundredByteResult()) == std::string::npos) {
    Fail("the hot key is not replayed");
  }
}

int64_t OncedServer::CountKeys(const std::string& scope) const {
  httplib::Client client("127.0.0.1", server_.port());
  client.set_keep_alive(true);
  const std::string all =
      "/v1/keys?scope=" + scope + "&state=in_flight&limit=" + std::to_string(kListLimit);
  int64_t count = 0;
  for (std::string cursor;;) {
    std::string target = all;
    if (!cursor.empty()) target.append("&cursor=").append(cursor);
    const auto page = client.Get(target);
    if (!page || page->status != 200) Fail("the keys could not be counted");
    count += static_cast<int64_t>(Occurrences(page->body, "{\"key\":"));
    const std::string mark = "\"cursor\":\"";
    const size_t at = page->body.rfind(mark);
    if (at == std::string::npos) return count;
    const size_t begin = at + mark.size();
    cursor = page->body.substr(begin, page->body.find('"', begin) - begin);
  }
}

int64_t OncedServer::CountReplays() const {
  httplib::Client client("127.0.0.1", server_.port());
  const auto found = client.Get("/v1/keys/" + std::string(kHotKey));
  if (!found || found->status != 200) Fail("the hot key is not found");
  return static_cast<int64_t>(NumberAfter(found->body, "\"replays\":"));
}

Measured OncedServer::ServeReplays(const Workload& workload, const WrkOptions& options) {
  const int64_t before = CountReplays();
  const Measured measured = server_.Serve(workload, options);
  CheckCount("replays", CountReplays() - before, measured.requests, workload.connections);
  return measured;
}

Measured OncedServer::ServeNewKeys(Workload workload, const WrkOptions& options) {
  workload.scope = "bench-" + std::to_string(scopes_++);
  const int keys_each = workload.kind == Workload::Kind::kBatch ? kBatchSize : 1;
  Measured measured = server_.Serve(workload, options);
  CheckCount("claimed keys", CountKeys(workload.scope), measured.requests * keys_each,
             workload.connections * keys_each);
  measured.per_second *= keys_each;
  return measured;
}

std::string Postgres::Programs() {
  std::vector<std::string> found;
  std::error_code none;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    const std::string folder = version.path() / "bin/";
    if (CanRun(folder + "initdb") && CanRun(folder + "pgbench")) found.push_back(folder);
  }
  return found.empty() ? "" : *std::max_element(found.begin(), found.end());
}

Postgres::Postgres()
    : cluster_(NewCluster(programs_, folder_)),
      child_({.words = {programs_ + "postgres", "-D", cluster_, "-k", cluster_, "-c",
                        "listen_addresses="},
              .as_postgres = true},
             folder_.path() / "log") {
  child_.Await("database system is ready to accept connections");
  // What a claim needs to hold, by the columns of a plain SQL implementation of one.
  Sql("CREATE TABLE claims (key text PRIMARY KEY, fingerprint text NOT NULL, fence bigint NOT NULL,"
      " lease_until timestamptz NOT NULL, expires_at timestamptz NOT NULL, result bytea)");
}

std::string Postgres::Sql(const std::string& statement) const {
  return Output(
      {.words = {programs_ + "psql", "-h", cluster_, "-U", "postgres", "-qAt", "-c", statement}});
}

double Postgres::Insert(int clients, int seconds) {
  const std::string script = folder_.path() / "claim.sql";
  const std::string prefix = "run" + std::to_string(runs_++) + "-";
  std::ofstream(script)
      << "\\set n :n + 1\n"
      << "INSERT INTO claims (key, fingerprint, fence, lease_until, expires_at) VALUES ('" << prefix
      << "' || :client_id || '-' || :n, '" << Fingerprint()
      << "', :n, now() + interval '30 seconds', now() + interval '1 day')"
         " ON CONFLICT (key) DO NOTHING;\n";
  const std::string said =
      Output({.words = {programs_ + "pgbench", "-h", cluster_, "-U", "postgres", "-n", "-M",
                        "prepared", "-c", std::to_string(clients), "-j", "2", "-T",
                        std::to_string(seconds), "-D", "n=0", "-f", script, "postgres"}});
  const double sent = NumberAfter(said, "actually processed: ");
  const double there = std::strtod(
      Sql("SELECT count(*) FROM claims WHERE key LIKE '" + prefix + "%'").c_str(), nullptr);
  if (sent != there) Fail("wrong count: pgbench inserted, but the rows are not there: " + said);
  return NumberAfter(said, "tps = ");
}

}  // namespace onced::bench
