// SPDX-License-Identifier: MIT
// LogRecords: where the records of one of RocksDB's logs end, told from its bytes as they come, in
// pieces of any size. RocksDB writes a large record in several pieces, and whoever syncs between
// two of them has a part of a record on the disk, of which nothing can be asked after a crash.
//
// The format (RocksDB's wiki, "Write Ahead Log File Format"): blocks of 32 KiB, of which the end is
// zeros where less than a head is left. A head is a checksum of 4 bytes, a length of 2 and a type
// of 1; of the types, 1 to 4 are a whole record, its first, a middle and its last part, each of
// which counts as a record here. Others are for logs that are used again or compressed, which ours
// are not, and a record never crosses the end of a block.
//
// Threads: one at a time.
// Invariants: end() never falls; up to it everything is records.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace onced {

class LogRecords {
 public:
  // What follows what was given before. False: no record begins at end(), and no more is looked at.
  // Checksums are not looked at.
  bool Follow(std::string_view bytes);

  // Of the last record that was given wholly. After Follow said false: where there is none.
  uint64_t end() const { return end_ <= given_ ? end_ : begin_; }

 private:
  static constexpr uint64_t kHead = 7;

  uint64_t given_ = 0;
  uint64_t begin_ = 0;  // of the last record whose head was given
  uint64_t end_ = 0;    // of it: may be ahead of what was given
  bool odd_ = false;
  std::array<unsigned char, kHead> head_{};  // of the next one, as far as it was given
};

}  // namespace onced
