// SPDX-License-Identifier: MIT
// CanonicalJson: the one text that all spellings of a JSON value share, so that its hash can be a
// key.
//
// The form is, byte for byte, what Python prints for json.dumps(json.loads(text), sort_keys=True):
// a client can derive the same key in one line, in a language most people have at hand. RFC 8785
// (JCS) was the other candidate: it turns every number into a double, so two large order numbers
// could become one key.
//   - names sorted by code point; separators ", " and ": "; everything else than printable ASCII is
//     escaped (U+007F too), astral characters as two escapes, lone surrogates as themselves;
//   - integers exact, -0 as 0; other numbers as repr(float) writes the nearest double.
// Refused, though Python takes them: NaN, the infinities and what overflows to one (they are no
// JSON and equal each other), and a name given twice in one object (Python drops the first).
// Accepted, though Python 3.11 refuses it unless told otherwise (sys.set_int_max_str_digits): an
// integer of more than 4300 digits. That limit guards a slow conversion, which copying digits does
// not do.
//
// Threads: a pure function.
#pragma once

#include <string>
#include <string_view>

#include "engine/status.h"
#include "server/json/json_reader.h"

namespace onced {

// InvalidArgument, its message starting with rules.label, for any text that has no such form. The
// answer is at most some six times as long as `json`: "\x7f" becomes "\u007f".
Result<std::string> CanonicalJson(std::string_view json,
                                  const JsonRules& rules = {.label = "data"});

}  // namespace onced
