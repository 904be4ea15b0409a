// SPDX-License-Identifier: MIT
// What the bytes of one of RocksDB's logs are. It fills a block of 32 KiB of which less than a
// record's head is left, with zeros that nobody reads. A head is a checksum of 4 bytes, a length
// of 2 and a type of 1.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace onced {

// Of a whole record of so many bytes, with a checksum that nobody looks at. REQUIRES: < 65,536.
inline std::string HeadOfRecord(size_t bytes) {
  return std::string("sums") + static_cast<char>(bytes % 256) + static_cast<char>(bytes / 256) +
         '\1';
}

// Where each record ends. REQUIRES: whole records.
inline std::vector<size_t> EndsOfRecords(const std::string& log,
                                         std::vector<size_t>* bytes = nullptr) {
  constexpr size_t kBlock = 32U << 10;
  constexpr size_t kHead = 7;
  std::vector<size_t> ends;
  for (size_t at = 0; at < log.size();) {
    if (kBlock - at % kBlock < kHead) {
      at += kBlock - at % kBlock;
      continue;
    }
    if (at + kHead > log.size()) throw std::runtime_error("a log that ends in a head");
    const size_t end =
        at + kHead + static_cast<uint8_t>(log[at + 4]) + 256U * static_cast<uint8_t>(log[at + 5]);
    if (end > log.size()) throw std::runtime_error("a log that ends in a record");
    for (; at < end; ++at) {
      if (bytes != nullptr) bytes->push_back(at);
    }
    ends.push_back(end);
  }
  return ends;
}

// Where the bytes are those of records.
inline std::vector<size_t> BytesOfRecords(const std::string& log) {
  std::vector<size_t> bytes;
  EndsOfRecords(log, &bytes);
  return bytes;
}

}  // namespace onced
