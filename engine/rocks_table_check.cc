// SPDX-License-Identifier: MIT
#include "engine/rocks_table_check.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>

#include "engine/coding.h"

namespace onced {

namespace {

constexpr uint64_t kFooter = 53;
constexpr uint64_t kMagic = 0x88e241b785f4cff7;
constexpr uint64_t kMetaBlockMost = 1U << 20;  // ours are of a few hundred bytes
constexpr std::string_view kProperties = "rocksdb.properties";
constexpr uint32_t kHashBit = 1U << 31;

struct Place {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// Each takes what it reads from `bytes`; nothing: there is none.
std::optional<uint64_t> TakeVarint(std::string_view* bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    value |= uint64_t{byte & 127U} << shift;
    if (byte < 128) return value;
  }
  return std::nullopt;
}
std::optional<Place> TakePlace(std::string_view* bytes) {
  const std::optional<uint64_t> offset = TakeVarint(bytes);
  const std::optional<uint64_t> size = TakeVarint(bytes);
  if (!offset.has_value() || !size.has_value()) return std::nullopt;
  return Place{.offset = *offset, .bytes = *size};
}

std::optional<std::string> ReadAt(std::ifstream& file, const Place& place) {
  std::string bytes(place.bytes, '\0');
  file.clear();
  file.seekg(static_cast<std::streamoff>(place.offset));
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) return std::nullopt;
  return bytes;
}

// Where the properties are, by the block of blocks.
std::optional<Place> PropertiesOf(std::string_view blocks) {
  if (blocks.size() < 4) return std::nullopt;
  const uint64_t restarts =
      4 * (1 + uint64_t{ByteReader(blocks.substr(blocks.size() - 4)).Fixed<uint32_t>()});
  if (restarts > blocks.size()) return std::nullopt;
  blocks.remove_suffix(restarts);
  std::string name;
  while (!blocks.empty()) {
    const std::optional<uint64_t> shared = TakeVarint(&blocks);
    const std::optional<uint64_t> more = TakeVarint(&blocks);
    const std::optional<uint64_t> value = TakeVarint(&blocks);
    if (!shared || !more || !value || *shared > name.size() || *more > blocks.size()) break;
    name.resize(*shared);
    name.append(blocks.substr(0, *more));
    blocks.remove_prefix(*more);
    if (*value > blocks.size()) break;
    std::string_view place = blocks.substr(0, *value);
    if (name == kProperties) return TakePlace(&place);
    blocks.remove_prefix(*value);
  }
  return std::nullopt;
}

bool IsBad(const std::filesystem::path& path) {
  std::error_code gone;
  const uint64_t size = std::filesystem::file_size(path, gone);
  if (gone || size < kFooter) return false;
  std::ifstream file(path, std::ios::binary);
  const auto footer = ReadAt(file, {.offset = size - kFooter, .bytes = kFooter});
  if (!footer.has_value() ||
      ByteReader(std::string_view(*footer).substr(45)).Fixed<uint64_t>() != kMagic) {
    return false;
  }
  std::string_view places = std::string_view(*footer).substr(1, 40);
  const std::optional<Place> blocks = TakePlace(&places);
  if (!blocks.has_value() || blocks->offset > size || blocks->bytes > kMetaBlockMost) return false;
  const auto listed = ReadAt(file, *blocks);
  const auto properties = listed.has_value() ? PropertiesOf(*listed) : std::nullopt;
  if (!properties.has_value() || properties->offset > size || properties->bytes > size ||
      properties->bytes < 4) {
    return false;
  }
  const auto last =
      ReadAt(file, {.offset = properties->offset + properties->bytes - 4, .bytes = 4});
  return last.has_value() && (ByteReader(*last).Fixed<uint32_t>() & kHashBit) != 0;
}

}  // namespace

Status CheckTables(const std::string& database) {
  std::error_code error;
  std::filesystem::directory_iterator at(database, error);
  const std::filesystem::directory_iterator end;
  for (; !error && at != end; at.increment(error)) {
    const std::filesystem::path& path = at->path();
    if (path.extension() == ".sst" && IsBad(path)) {
      return Status::Corruption("open: " + path.string() + " is damaged: its properties are none");
    }
  }
  if (!error || error == std::errc::no_such_file_or_directory) return Status::Ok();
  return Status::IoError("look at " + database + ": " + error.message());
}

}  // namespace onced
