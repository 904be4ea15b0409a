// SPDX-License-Identifier: MIT
// What the tests of who may call are set up with: token files, and onced started with one.
//
// Threads: as Program.
// Invariants: a token file is put in place whole, and is nobody else's to read.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "server/access/token_book.h"
#include "tests/program.h"

namespace onced {

inline Headers Bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

inline std::string Tenant(const std::string& name, Role role,
                          const std::vector<std::string>& tokens, const std::string& more = "") {
  std::string list;
  for (const std::string& token : tokens) list += "\"" + DigestText(DigestOf(token)) + "\",";
  return "[[tenant]]\nname = \"" + name + "\"\nrole = \"" +
         (role == Role::kAdmin ? "admin" : "app") + "\"\ntokens = [" + list + "]\n" + more + "\n";
}

// Put in place whole: a reload must never read half a file.
inline std::string PutTokens(const TempFolder& folder, const std::string& text) {
  std::string path = folder.path("tokens.toml");
  WriteFile(path + ".new", text);
  EXPECT_EQ(chmod((path + ".new").c_str(), 0600), 0);
  std::filesystem::rename(path + ".new", path);
  return path;
}

// onced with the tenants shop (tokens shop-1, shop-2), bank (bank) and the admin ops (ops).
struct GuardedOnced {
  GuardedOnced() : program(folder.path(), {"--durability", "os", "--tokens", Write()}) {}

  static std::string Others() {
    return Tenant("bank", Role::kApp, {"bank"}) + Tenant("ops", Role::kAdmin, {"ops"});
  }
  std::string Write() {
    return PutTokens(folder, Tenant("shop", Role::kApp, {"shop-1", "shop-2"}) + Others());
  }
  HttpAnswer Ask(const std::string& token, const std::string& method, const std::string& target,
                 const std::string& json = "") const {
    return program.Ask(method, target, Json(json), Bearer(token));
  }
  HttpAnswer Post(const std::string& token, const std::string& target,
                  const std::string& json) const {
    return Ask(token, "POST", target, json);
  }
  bool Says(const std::string& words) const {
    return Eventually([&] { return program.Said().find(words) != std::string::npos; });
  }

  TempFolder folder;
  Program program;
};

}  // namespace onced
