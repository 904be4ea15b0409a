// SPDX-License-Identifier: MIT
// CheckTables: a look at RocksDB's tables before it opens them, for the one kind of damage that it
// does not survive. It reads a table's block of properties without its checksum first (7.8,
// table/meta_blocks.cc, ReadTablePropertiesHelper: the number of an ingested file may be written
// over), and takes the highest bit of the block's last word to mean that a hash table stands before
// it: flipped, an assertion ends the process, and nobody is told of the file. All else that is
// wrong with a table RocksDB tells by its name.
//
// The format (RocksDB's wiki, "Rocksdb BlockBasedTable Format"): the last 53 bytes are the type of
// checksums, the places of the block of blocks and of the index as varints, zeros up to 41 bytes,
// the version (4), and the magic number (8). A block of entries ends in the places of its restarts
// (4 each) and their number (4).
//
// Private to the engine. Threads: any; the folder is nobody else's.
#pragma once

#include <string>

#include "engine/status.h"

namespace onced {

// Corruption, naming the table. A table that cannot be read so far is left to RocksDB.
Status CheckTables(const std::string& database);

}  // namespace onced
