// SPDX-License-Identifier: MIT
// PatroniCluster: PostgreSQL as it is run where one machine may fail: three of them, each under a
// Patroni of its own, which agree by an etcd of three on who leads; a commit waits for one other
// (synchronous_mode_strict). All on free ports of 127.0.0.1, in a temporary folder, by Debian's
// packages, with their syncs. A node's PostgreSQL is killed, or the node frozen, Patroni and all.
//
// etcd is asked by its older interface, v2: Patroni 3.0 takes the lead back by v3 without a look at
// who has it now (its dcs/etcd3.py, _update_leader): a node that was frozen, and thaws, then leads
// beside, and instead of, the one that has taken over, and what that one has committed is lost. It
// was seen to happen here.
//
// Threads: the main one (see Child).
// Invariants: none of its processes and no folder outlives the object.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tests/child.h"
#include "tests/fixtures.h"

namespace onced {

class PatroniCluster {
 public:
  static constexpr size_t kNodes = 3;

  // Why there can be none; empty when there can.
  static std::string WhyNot();

  PatroniCluster();
  ~PatroniCluster();
  PatroniCluster(const PatroniCluster&) = delete;
  PatroniCluster& operator=(const PatroniCluster&) = delete;

  // Of whichever of the three takes writes.
  std::string Url() const;
  // Waits until one leads, the others follow, and one of these is the one that commits wait for.
  bool Settles() const;
  // The one that leads by what it says itself; those that are frozen are not asked.
  std::optional<size_t> Leader() const;
  // kill -9 of the postmaster.
  void KillPostgres(size_t node) const;
  // SIGSTOP of Patroni and of PostgreSQL with all its backends; and their going on.
  void Freeze(size_t node);
  void Thaw(size_t node);
  // What each has said last.
  std::string Said() const;

 private:
  struct Node {
    uint16_t etcd = 0;
    uint16_t etcd_peers = 0;
    uint16_t patroni = 0;
    uint16_t postgres = 0;
    bool frozen = false;
    std::unique_ptr<Child> etcd_process;
    std::unique_ptr<Child> patroni_process;
  };

  void StartEtcd();
  void StartPatroni(size_t node);
  std::string DataFolder(size_t node) const;
  pid_t Postmaster(size_t node) const;
  void Signal(size_t node, int number) const;
  // Whether a node's Patroni answers 200 to GET /`role`.
  bool Is(const Node& node, const std::string& role) const;

  TempFolder folder_;
  std::array<Node, kNodes> nodes_;
};

}  // namespace onced
