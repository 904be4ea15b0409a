// SPDX-License-Identifier: MIT
// BackupList: which files a backup's db/ has, each with its size, and with a checksum where the
// file has none of its own: tables have, the log's end and the MANIFEST's would not be missed. In
// the file `files` of a backup (FORMAT.md).
//
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/status.h"

namespace onced {

struct BackupFile {
  std::string name;
  uint64_t bytes = 0;
  std::optional<uint32_t> crc;
};

// Of all that is in `database` now.
Status WriteBackupList(const std::string& backup, const std::string& database);
// What is written. Corruption: there is no list, or a file is missing, or of another size or
// content.
Result<std::vector<BackupFile>> CheckBackupList(const std::string& backup,
                                                const std::string& database);

}  // namespace onced
