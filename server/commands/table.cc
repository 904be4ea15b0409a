// SPDX-License-Identifier: MIT
#include "server/commands/table.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace onced {
namespace {

std::string Size(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

}  // namespace

std::string Shown(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, which terminals obey, too.
    const bool c1 = byte == 0xC2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                    static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) text.erase(i, 1);
    if (c1 || byte < 0x20 || byte == 0x7F) text[i] = '?';
  }
  return text;
}

Table::Table(std::vector<std::string> head) {
  if (!head.empty()) rows_.push_back(std::move(head));
}

void Table::Add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = Shown(std::move(cell));
  rows_.push_back(std::move(row));
}

std::string Table::Text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

ProgressBar::ProgressBar(std::string what)
    : what_(std::move(what)), shown_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::Show(uint64_t done_bytes, uint64_t all_bytes) {
  const auto now = std::chrono::steady_clock::now();
  if (!shown_ || now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  const double rate = static_cast<double>(done_bytes) / (1 << 20) / std::max(seconds, 0.001);
  if (all_bytes == 0) {
    std::fprintf(stderr, "\r\033[K%s %s %.0f MiB/s", what_.c_str(), Size(done_bytes).c_str(), rate);
    return;
  }
  constexpr size_t kWidth = 24;
  const size_t full = static_cast<size_t>(done_bytes * kWidth / all_bytes);
  std::fprintf(stderr, "\r\033[K%s [%s%s] %3u%% %s %.0f MiB/s", what_.c_str(),
               std::string(full, '#').c_str(), std::string(kWidth - full, '.').c_str(),
               static_cast<unsigned>(done_bytes * 100 / all_bytes), Size(all_bytes).c_str(), rate);
}

void ProgressBar::End() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

}  // namespace onced
