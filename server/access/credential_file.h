// SPDX-License-Identifier: MIT
// CredentialFile: a file that says who is let in, or proves who is asked: the token file, a key,
// certificates. It is read so that nothing put in its place can hold up a reload, and so that what
// was judged is what is used.
//
// Threads: any.
// Invariants: only a regular file is read, never more of it than was said, and never one that
// others may write. No message carries a byte of it.
#pragma once

#include <cstddef>
#include <string>

#include "engine/status.h"

namespace onced {

// Who may read it besides its owner. The token file holds digests only, and may belong to root with
// the service's group; the key of TLS is the secret itself, and nobody else's business.
enum class Readers { kNobody, kGroup, kAnybody };

// The text, or InvalidArgument that says what is the matter, without the file's name. The text is
// nowhere else in memory, so that a caller can wipe it.
Result<std::string> ReadCredentialFile(const std::string& path, Readers readers, size_t bytes_max);

}  // namespace onced
