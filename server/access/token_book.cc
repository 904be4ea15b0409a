// SPDX-License-Identifier: MIT
#include "server/access/token_book.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "engine/key.h"
#include "server/access/credential_file.h"

namespace onced {
namespace {

constexpr size_t kTokensMax = 2;
constexpr size_t kSubjectMax = 1'024;
constexpr size_t kFileBytesMax = size_t{16} << 20;

uint64_t FirstBytes(const TokenDigest& digest) {
  uint64_t first = 0;
  std::memcpy(&first, digest.data(), sizeof first);
  return first;
}

// A name from the file, if it is fit to be shown.
std::string Shown(std::string_view name) {
  return CheckPrintable("", name, 1, 40).ok() ? std::string(name) : "(an unprintable name)";
}

// What the TOML reader says, without the pieces of the file that it quotes.
std::string Unquoted(std::string_view description) {
  description = description.substr(0, description.find('\''));
  while (description.ends_with(' ')) description.remove_suffix(1);
  return std::string(description);
}

}  // namespace

// Fills a book from a parsed file; the first thing wrong ends it.
class TokenFile {
 public:
  TokenFile(const std::string& name, TokenBook* book) : name_(name), book_(*book) {}

  Status Read(const toml::table& file) {
    for (const auto& [key, node] : file) {
      if (key.str() != "tenant") return Wrong(key.source(), Shown(key.str()), "unknown field");
      const toml::array* tenants = node.as_array();
      if (tenants == nullptr) return Wrong(node.source(), "tenant", "write it as [[tenant]]");
      for (const toml::node& tenant : *tenants) {
        const toml::table* table = tenant.as_table();
        if (table == nullptr) return Wrong(tenant.source(), "tenant", "write it as [[tenant]]");
        ONCED_RETURN_IF_ERROR(ReadTenant(*table));
      }
    }
    // More likely a file cut short than a wish to let nobody in.
    if (names_.empty()) return Wrong(file.source(), "tenant", "there is no [[tenant]] in it");
    return Status::Ok();
  }

 private:
  Status Wrong(const toml::source_region& where, std::string_view field, std::string_view what) {
    return Status::InvalidArgument(name_ + ":" + std::to_string(where.begin.line) + ":" +
                                   std::to_string(where.begin.column) + ": " + std::string(field) +
                                   ": " + std::string(what));
  }

  Status ReadTenant(const toml::table& table) {
    auto caller = std::make_unique<Caller>();
    for (const auto& [key, node] : table) {
      ONCED_RETURN_IF_ERROR(ReadField(key, node, caller.get()));
    }
    if (caller->tenant.empty()) return Wrong(table.source(), "name", "is required");
    book_.callers_.push_back(std::move(caller));
    return Status::Ok();
  }

  Status ReadField(const toml::key& key, const toml::node& node, Caller* caller) {
    const std::string_view field = key.str();
    if (field == "name") return ReadName(node, caller);
    if (field == "role") return ReadRole(node, caller);
    if (field == "keys_max") return ReadKeysMax(node, caller);
    if (field == "tokens") {
      return ReadTexts(node, "tokens", [&](const toml::node& one, const std::string& text) {
        return AddToken(one, text, caller);
      });
    }
    if (field == "certificate_subjects") {
      return ReadTexts(node, field, [&](const toml::node& one, const std::string& text) {
        return AddSubject(one, text, caller);
      });
    }
    return Wrong(key.source(), Shown(field), "unknown field");
  }

  Status ReadName(const toml::node& node, Caller* caller) {
    const std::optional<std::string> name = node.value_exact<std::string>();
    if (!name.has_value()) return Wrong(node.source(), "name", "must be a string");
    const Status printable = CheckPrintable("name", *name, 1, Key::kMaxTenantLength);
    if (!printable.ok()) {
      return Wrong(node.source(), "name", printable.message().substr(sizeof "name:"));
    }
    if (!names_.insert(*name).second) {
      return Wrong(node.source(), "name", "this tenant is in the file twice");
    }
    caller->tenant = *name;
    return Status::Ok();
  }

  Status ReadRole(const toml::node& node, Caller* caller) {
    const std::optional<std::string> role = node.value_exact<std::string>();
    if (role != "app" && role != "admin") {
      return Wrong(node.source(), "role", "must be \"app\" or \"admin\"");
    }
    caller->role = *role == "admin" ? Role::kAdmin : Role::kApp;
    return Status::Ok();
  }

  Status ReadKeysMax(const toml::node& node, Caller* caller) {
    const std::optional<int64_t> keys_max = node.value_exact<int64_t>();
    if (!keys_max.has_value() || *keys_max < 1) {
      return Wrong(node.source(), "keys_max", "must be a whole number, 1 or more");
    }
    caller->keys_max = static_cast<uint64_t>(*keys_max);
    return Status::Ok();
  }

  template <typename Add>
  Status ReadTexts(const toml::node& node, std::string_view field, const Add& add) {
    const toml::array* list = node.as_array();
    if (list == nullptr) return Wrong(node.source(), field, "must be a list of strings");
    for (const toml::node& one : *list) {
      const std::optional<std::string> text = one.value_exact<std::string>();
      if (!text.has_value()) return Wrong(one.source(), field, "must be a list of strings");
      ONCED_RETURN_IF_ERROR(add(one, *text));
    }
    if (field == "tokens" && list->size() > kTokensMax) {
      return Wrong(node.source(), field, "two at most: the old one and the new one");
    }
    return Status::Ok();
  }

  Status AddToken(const toml::node& where, const std::string& text, const Caller* caller) {
    const std::optional<TokenDigest> digest = ParseDigest(text);
    if (!digest.has_value()) {
      return Wrong(where.source(), "tokens",
                   "must be the SHA-256 of a token, 64 hexadecimal digits (see onced token new)");
    }
    // Two that only begin alike do not happen by chance.
    if (!book_.tokens_.try_emplace(FirstBytes(*digest), TokenBook::Token{*digest, caller}).second) {
      return Wrong(where.source(), "tokens", "this token is in the file twice");
    }
    return Status::Ok();
  }

  Status AddSubject(const toml::node& where, const std::string& text, const Caller* caller) {
    if (text.empty() || text.size() > kSubjectMax) {
      return Wrong(where.source(), "certificate_subjects", "each must be 1..1024 bytes");
    }
    if (!book_.subjects_.try_emplace(text, caller).second) {
      return Wrong(where.source(), "certificate_subjects", "this subject is in the file twice");
    }
    return Status::Ok();
  }

  const std::string& name_;
  TokenBook& book_;
  std::set<std::string> names_;
};

Result<std::shared_ptr<const TokenBook>> TokenBook::Parse(std::string_view text,
                                                          const std::string& file) {
  const std::shared_ptr<TokenBook> book(new TokenBook());
  try {
    const toml::table parsed = toml::parse(text, file);
    ONCED_RETURN_IF_ERROR(TokenFile(file, book.get()).Read(parsed));
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    return Status::InvalidArgument(file + ":" + std::to_string(at.line) + ":" +
                                   std::to_string(at.column) + ": " +
                                   Unquoted(error.description()));
  }
  return std::shared_ptr<const TokenBook>(book);
}

Result<std::shared_ptr<const TokenBook>> TokenBook::Load(const std::string& path) {
  const Result<std::string> text = ReadCredentialFile(path, Readers::kGroup, kFileBytesMax);
  if (!text.ok()) return Status::InvalidArgument(path + ": " + text.status().message());
  return Parse(*text, path);
}

const Caller* TokenBook::OfDigest(const TokenDigest& digest) const {
  static const Token nobodys{.digest = {}, .caller = nullptr};
  const auto found = tokens_.find(FirstBytes(digest));
  const Token& candidate = found == tokens_.end() ? nobodys : found->second;
  return SameDigest(digest, candidate.digest) ? candidate.caller : nullptr;
}

const Caller* TokenBook::OfCertificate(std::string_view subject) const {
  if (subject.empty()) return nullptr;
  const auto found = subjects_.find(std::string(subject));
  return found == subjects_.end() ? nullptr : found->second;
}

std::string TokenBook::Entry(const Caller& caller, const TokenDigest& digest) {
  std::string name;
  for (const char c : caller.tenant) {
    if (c == '"' || c == '\\') name.push_back('\\');
    name.push_back(c);
  }
  return "[[tenant]]\nname = \"" + name + "\"\nrole = \"" +
         (caller.role == Role::kAdmin ? "admin" : "app") + "\"\ntokens = [\"" + DigestText(digest) +
         "\"]\n";
}

}  // namespace onced
