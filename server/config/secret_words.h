// SPDX-License-Identifier: MIT
// What must not be shown of a text that may have URLs in it: their passwords.
//
// Threads: pure.
// Invariants: rather too much is hidden than too little.
#pragma once

#include <string>
#include <string_view>

namespace onced {

// With *** in place of each.
std::string WithoutSecrets(std::string_view text);
// The same in place, a * for each byte: for what ps(1) shows.
void HideSecrets(char* text);

}  // namespace onced
