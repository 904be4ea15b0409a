// SPDX-License-Identifier: MIT
#include "server/check.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/data_folder.h"
#include "server/access/doorkeeper.h"
#include "server/database_storage.h"
#include "server/doors.h"
#include "server/wire/tls.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

// The folder, or the nearest one above it that is there, in which it would be made.
std::string CheckFolder(const std::string& data) {
  std::error_code error;
  fs::path at = fs::absolute(data, error).lexically_normal();
  while (!fs::exists(at, error) && at.has_relative_path()) at = at.parent_path();
  if (!fs::is_directory(at, error)) return "--data: " + at.string() + " is no folder";
  if (access(at.c_str(), R_OK | W_OK | X_OK) == 0) return "";
  return "--data: " + at.string() + " cannot be written: " + std::strerror(errno);
}

}  // namespace

int Check(const ServeOptions& options) {
  std::vector<std::string> wrong;
  const auto look = [&wrong](const Status& status) {
    if (!status.ok()) wrong.push_back(status.message());
  };
  if (!options.tls.certificate.empty()) look(wire::TlsCredentials::Load(options.tls).status());
  if (!options.tokens.empty()) {
    const Status opened = Doorkeeper::Open(options.tokens).status();
    if (!opened.ok()) wrong.push_back("--tokens: " + opened.message());
  }
  bool runs = false;
  if (!options.store.empty()) {
    look(DatabaseStorage::LookAt(options));
  } else {
    if (const std::string folder = CheckFolder(options.data); !folder.empty()) {
      wrong.push_back(folder);
    }
    runs = !DataFolder::KeepStill(options.data).ok();
    if (!runs) look(DataFolder::LookAt(options.data, options.accept_data_loss));
  }
  if (!runs) {
    for (const Status& fault : Ports::Faults(options)) look(fault);
  }
  for (const std::string& line : wrong) {
    std::fprintf(stderr, "onced: %s\n", AsWritten(options, line).c_str());
  }
  if (!wrong.empty()) return kExitUsage;
  std::printf(
      "onced: %s%s\n",
      options.config.empty() ? "the options are valid" : (options.config + " is valid").c_str(),
      runs ? "; a onced runs on its folder, so its ports were not tried" : "");
  return kExitOk;
}

}  // namespace onced
