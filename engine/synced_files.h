// SPDX-License-Identifier: MIT
// SyncedFiles: what is done to files and folders so that it is there after a power cut.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include "engine/status.h"

namespace onced {

// The fault that `error` is: NoSpace or IoError, with what was tried and on what.
Status FileFault(const std::string& what, const std::string& path, const std::error_code& error);

// A new directory entry survives a power cut only once its directory is synced.
Status SyncFolder(const std::string& path);

// A copy, synced, or none of that name: of all of it, or of its first `bytes`. The entry itself is
// the caller's to sync.
Status CopyWhole(const std::string& from, const std::string& to,
                 std::optional<uint64_t> bytes = std::nullopt);

// A file with this text, likewise.
Status WriteWhole(const std::string& path, const std::string& text);

}  // namespace onced
