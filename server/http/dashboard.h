// SPDX-License-Identifier: MIT
// Dashboard: the files of the page at "/", as they were when this was built (server/dashboard, and
// Debian's Chart.js). They are the same for everybody and tell nothing: what the page shows it asks
// of the API, as any other caller.
//
// Threads: any.
// Invariants: a name that is not a file's finds nothing; no path leads to a disk.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/web/answer.h"
#include "server/wire/request_parser.h"

namespace onced {

// Of the build: made of the files by server/dashboard/embed.cmake.
struct EmbeddedFile {
  std::string_view name;
  std::string_view bytes;
};
extern const std::span<const EmbeddedFile> kDashboardFiles;

// The file called `name` as the answer to `request`, a GET or a HEAD; nothing: there is none.
std::optional<Answer> DashboardFile(std::string_view name, const wire::Request& request);

}  // namespace onced
