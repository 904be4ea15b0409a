// SPDX-License-Identifier: MIT
// Caller: who is asking, once it is known: a tenant, what it may do, and how many keys it may keep.
//
// Threads: values.
// Invariants: there is none of these for somebody who could not prove who they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace onced {

enum class Role : uint8_t {
  kApp,    // its own tenant's keys
  kAdmin,  // also decides and forgets, names other tenants, and sees how onced itself is doing
};

struct Caller {
  std::string tenant;
  Role role = Role::kApp;
  std::optional<uint64_t> keys_max;  // of live keys; absent: no limit

  bool MayName(std::string_view other) const { return role == Role::kAdmin || other == tenant; }
};

}  // namespace onced
