// SPDX-License-Identifier: MIT
// Peers: what people would use instead of onced, and what does nothing but answer.
//
// Threads: use from one.
#pragma once

#include <vector>

#include "bench/systems.h"

namespace onced::bench {

// For AllSystems(), in systems.h.
std::vector<SystemKind> Peers();

}  // namespace onced::bench
