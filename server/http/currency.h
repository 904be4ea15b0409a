// SPDX-License-Identifier: MIT
// The currency codes of ISO 4217 in use (list one, without funds and testing codes).
//
// Threads: a pure function. Invariants: the table is sorted.
#pragma once

#include <string_view>

namespace onced {

bool IsCurrency(std::string_view code);

}  // namespace onced
