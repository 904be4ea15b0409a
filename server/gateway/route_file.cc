// SPDX-License-Identifier: MIT
#include "server/gateway/route_file.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <vector>

#include "server/access/credential_file.h"
#include "server/gateway/header_policy.h"
#include "server/gateway/header_rules.h"
#include "server/wire/field_syntax.h"
#include "server/wire/request_parser.h"

namespace onced {
namespace {

constexpr size_t kPrefixMax = 255;
constexpr size_t kSecretMin = 16;
constexpr size_t kSecretFileMax = 4'096;
constexpr int64_t kDeadlineMaxMs = 3'600'000;
constexpr uint64_t kStoredBodyMax = uint64_t{8} << 20;  // in base64 it must fit kResultMax

std::string JudgePrefix(const std::string& prefix) {
  if (!prefix.starts_with('/')) return "must begin with /";
  if (prefix.size() > kPrefixMax) return "must be 1..255 characters";
  if (prefix.size() > 1 && prefix.ends_with('/')) {
    return "must not end with /: a prefix is of whole segments anyway";
  }
  for (const char c : prefix) {
    if (c == '%') return "must not hold an escape: it is compared with the path as it was sent";
    if (c <= 0x20 || c > 0x7E || c == '?' || c == '#' || c == '\\') {
      return "must be a path, without a query, a space or a backslash";
    }
  }
  for (const char* segment : {"//", "/./", "/../"}) {
    if ((prefix + "/").find(segment) != std::string::npos && prefix != "/") {
      return "must not hold empty segments or dot segments";
    }
  }
  return "";
}

std::string JudgeMethod(const std::string& method) {
  for (const char* plain : {"GET", "HEAD", "OPTIONS", "CONNECT", "TRACE"}) {
    if (method == plain) return method + " never carries a key: it changes nothing";
  }
  const bool lower =
      std::any_of(method.begin(), method.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (lower || !wire::IsToken(method)) return "must be methods in capitals, such as \"POST\"";
  return "";
}

std::string JudgeKeyHeader(const std::string& name) {
  if (!wire::IsToken(name)) return "must be names of headers";
  if (wire::SameName(name, "Idempotency-Key")) {
    return "Idempotency-Key is always read, and read first: leave it out";
  }
  return NeverCarriesAKey(name) ? name + " cannot carry a key" : "";
}

std::string JudgeReplayHeader(const std::string& name) {
  if (!wire::IsToken(name)) return "must be names of headers";
  return MayBeKept(name) ? "" : name + " is never kept: see server/GATEWAY.md";
}

std::string JudgeFingerprintHeader(const std::string& name) {
  if (!wire::IsToken(name)) return "must be names of headers";
  return IsHopOrFraming(name) ? name + " is about a connection, not about a request" : "";
}

// The empty one would be the whole document.
std::string JudgePointer(const std::string& text) {
  if (text.empty()) return "must be a JSON pointer, such as \"/meta/id\"";
  return JsonPointer::Parse(text).status().message();
}

// "404", or "4xx", as KeepOf knows it.
std::optional<int> ReadStatus(std::string_view text) {
  if (text.size() != 3 || text[0] < '2' || text[0] > '5') return std::nullopt;
  if (text.substr(1) == "xx") return text[0] - '0';
  int status = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), status);
  return parsed.ptr == text.data() + text.size() ? std::optional<int>(status) : std::nullopt;
}

void ReadStatuses(Settings* in, Route* route, Faults* faults) {
  const Setting* table = in->Find("statuses");
  if (table == nullptr) return;
  Settings statuses(*table, faults);
  for (const Setting& member : table->members) {
    if (table->kind != Setting::Kind::kTable) break;
    const std::optional<int> status = ReadStatus(member.name);
    if (!status.has_value()) {
      faults->Add(member.name_at, member.name, "must be a status, 200..599, or 2xx..5xx");
      continue;
    }
    statuses.Choice<Keep>(
        member.name, &route->statuses[*status],
        {{"store", Keep::kStore}, {"release", Keep::kRelease}, {"unknown", Keep::kUnknown}});
  }
}

void ReadKey(Settings* in, Route* route) {
  in->Texts("methods", &route->methods, JudgeMethod);
  if (route->methods.empty()) in->Wrong(*in->Find("methods"), "must name at least one");
  in->Choice<bool>("key", &route->key_required, {{"required", true}, {"optional", false}});
  in->Texts("key_headers", &route->key_headers, JudgeKeyHeader);
  std::string pointer;
  if (in->Text("key_pointer", &pointer, JudgePointer)) {
    route->key_pointer = *JsonPointer::Parse(pointer);
  }
  in->Text("scope", &route->scope, JudgeName);
}

void ReadFingerprint(Settings* in, Route* route) {
  FingerprintRules& rules = route->fingerprint;
  const Setting* parts = in->Find("fingerprint");
  std::vector<std::string> named;
  const auto judge = [](const std::string& part) -> std::string {
    const std::vector<std::string_view> known = {"method", "target", "content-type", "body"};
    if (std::find(known.begin(), known.end(), part) != known.end()) return "";
    return "must be of \"method\", \"target\", \"content-type\", \"body\"" +
           DidYouMean(part, known);
  };
  if (parts != nullptr && in->Texts("fingerprint", &named, judge)) {
    const auto holds = [&named](const char* part) {
      return std::find(named.begin(), named.end(), part) != named.end();
    };
    rules.method = holds("method");
    rules.target = holds("target");
    rules.content_type = holds("content-type");
    rules.body = holds("body");
  }
  in->Texts("fingerprint_headers", &rules.headers, JudgeFingerprintHeader);
  std::vector<std::string> excludes;
  if (in->Texts("fingerprint_body_excludes", &excludes, JudgePointer)) {
    for (const std::string& one : excludes) {
      rules.body_excludes.push_back(*JsonPointer::Parse(one));
    }
  }
  if (!rules.body && !rules.body_excludes.empty()) {
    in->Wrong(*in->Find("fingerprint_body_excludes"), "the body does not count in `fingerprint`");
  }
}

void ReadTimes(Settings* in, Route* route) {
  in->Duration("retention", &route->retention, kRetentionMinMs, kRetentionMaxMs);
  in->Duration("lease", &route->lease, kLeaseMinMs, kLeaseMaxMs);
  in->Duration("deadline", &route->deadline, kLeaseMinMs, kDeadlineMaxMs);
  in->Duration("wait", &route->wait, 0, kWaitMaxMs);
}

void ReadKeeping(Settings* in, Route* route, Faults* faults) {
  in->Choice<Profile>("profile", &route->profile,
                      {{"proxy-safe", Profile::kProxySafe},
                       {"ietf", Profile::kIetf},
                       {"stripe-v1", Profile::kStripeV1}});
  ReadStatuses(in, route, faults);
  in->Duration("unknown_release_after", &route->unknown_release_after, 0, kRetentionMaxMs);
  in->Texts("replay_headers", &route->replay_headers, JudgeReplayHeader);
  in->Flag("store_body", &route->store_body);
  in->Size("stored_body_max", &route->stored_body_max, 1, kStoredBodyMax);
  in->Flag("shadow", &route->shadow);
}

// The secret without the end of its line, which an editor or a shell has put there.
Result<std::string> ReadSecret(const std::string& path) {
  Result<std::string> text = ReadCredentialFile(path, Readers::kNobody, kSecretFileMax);
  if (!text.ok()) return text;
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  if (text->size() >= kSecretMin) return text;
  return Status::InvalidArgument("it holds fewer than " + std::to_string(kSecretMin) + " bytes");
}

void ReadDownstream(Settings* in, const std::string& folder, Route* route) {
  in->Choice<DownstreamKey>("downstream_key", &route->downstream_key,
                            {{"pass", DownstreamKey::kPass},
                             {"derive", DownstreamKey::kDerive},
                             {"drop", DownstreamKey::kDrop}});
  const bool derives = route->downstream_key == DownstreamKey::kDerive;
  const Setting* secret = in->Find("derive_secret_file");
  if (derives) in->Require("derive_secret_file");
  if (secret == nullptr) return;
  if (!derives) in->Wrong(*secret, "is only for downstream_key = \"derive\"");
  std::string path;
  if (!in->Text("derive_secret_file", &path, [](const auto&) { return std::string(); })) return;
  Result<std::string> read = ReadSecret(PathFrom(folder, path));
  if (!read.ok()) return in->Wrong(*secret, path + ": " + read.status().message());
  route->derive_secret = std::move(*read);
}

void ReadUpstream(Settings* in, const RouteSurroundings& around, Route* route) {
  in->Require("upstream");
  const Setting* named = in->Find("upstream");
  if (named == nullptr) return;
  const auto found = around.upstreams.find(named->text);
  if (found != around.upstreams.end()) {
    route->origin = found->second.origin;
    route->breaker = found->second.breaker;
    return;
  }
  std::vector<std::string_view> known;
  for (const auto& [name, upstream] : around.upstreams) known.push_back(name);
  in->Wrong(*named, "no [[gateway.upstream]] has this name" + DidYouMean(named->text, known));
}

}  // namespace

std::string JudgeName(const std::string& name) {
  const bool fits =
      !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      });
  return fits ? "" : "must be 1..32 of a-z, 0-9 and -";
}

std::string PathFrom(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).string();
}

Route ReadRoute(const Setting& table, const RouteSurroundings& around, Faults* faults) {
  Route route = around.unless_said;
  Settings in(table, faults);
  in.Require("name");
  in.Text("name", &route.name, JudgeName);
  in.Require("prefix");
  in.Text("prefix", &route.prefix, JudgePrefix);
  ReadUpstream(&in, around, &route);
  ReadKey(&in, &route);
  ReadFingerprint(&in, &route);
  ReadTimes(&in, &route);
  ReadKeeping(&in, &route, faults);
  ReadDownstream(&in, around.folder, &route);
  in.End();
  return route;
}

}  // namespace onced
