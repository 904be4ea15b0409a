// SPDX-License-Identifier: MIT
#include "server/http/dashboard.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

#include "engine/check.h"
#include "engine/keygen.h"
#include "server/http/api.h"
#include "server/wire/field_syntax.h"

namespace onced {
namespace {

constexpr std::string_view kPage = "index.html";
// Nothing of any other place, nothing inline, in nobody's frame, and no form is ever sent.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

struct ReadyFile {
  std::string_view name;
  const char* type = nullptr;
  std::string_view plain;
  std::string packed;  // by gzip
  std::string tag;     // between the quotes of an ETag
};

const char* TypeOf(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "text/plain; charset=utf-8";
}

std::string Packed(std::string_view plain) {
  constexpr int kWithGzipHead = 15 + 16;
  constexpr int kMemory = 8;
  z_stream stream{};
  ONCED_CHECK(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kWithGzipHead, kMemory,
                           Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, plain.size()), '\0');
  // zlib does not write there; its type is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ONCED_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// Made when somebody first asks, in some milliseconds: most servers are never looked at.
const std::vector<ReadyFile>& Files() {
  static const std::vector<ReadyFile> files = [] {
    std::vector<ReadyFile> made;
    for (const EmbeddedFile& file : kDashboardFiles) {
      made.push_back({.name = file.name,
                      .type = TypeOf(file.name),
                      .plain = file.bytes,
                      .packed = Packed(file.bytes),
                      .tag = Sha256Hex(file.bytes)});
    }
    return made;
  }();
  return files;
}

// Calls `take` with each element of a list, of its every header line.
template <typename Take>
void ForEachOf(const wire::Request& request, std::string_view header, const Take& take) {
  for (const auto& [name, value] : request.headers) {
    if (wire::SameName(name, header)) wire::ForEachElement(value, take);
  }
}

// Whoever gives it a weight means something that no browser does, and gets it plain.
bool TakesGzip(const wire::Request& request) {
  bool takes = false;
  ForEachOf(request, "Accept-Encoding",
            [&](std::string_view coding) { takes = takes || wire::SameName(coding, "gzip"); });
  return takes;
}

bool Has(const wire::Request& request, std::string_view etag) {
  bool has = false;
  ForEachOf(request, "If-None-Match", [&](std::string_view given) {
    if (given.starts_with("W/")) given.remove_prefix(2);
    has = has || given == etag || given == "*";
  });
  return has;
}

}  // namespace

std::optional<Answer> DashboardFile(std::string_view name, const wire::Request& request) {
  const std::vector<ReadyFile>& files = Files();
  const auto file = std::find_if(files.begin(), files.end(),
                                 [name](const ReadyFile& one) { return one.name == name; });
  if (file == files.end()) return std::nullopt;
  const bool packed = TakesGzip(request);
  const std::string etag = '"' + file->tag + (packed ? "-gzip\"" : "\"");
  Answer answer{.type = file->type,
                .headers = {{"ETag", etag},
                            {"Cache-Control", "no-cache"},
                            {"Vary", "Accept-Encoding"},
                            {"Content-Security-Policy", kPolicy},
                            {"X-Content-Type-Options", "nosniff"},
                            {"Referrer-Policy", "no-referrer"},
                            {"Cross-Origin-Resource-Policy", "same-origin"}}};
  if (Has(request, etag)) {
    answer.status = 304;
    return answer;
  }
  if (packed) answer.headers.emplace_back("Content-Encoding", "gzip");
  answer.body = packed ? file->packed : std::string(file->plain);
  return answer;
}

Answer Api::Dashboard(Call& call) {
  // Whatever stands behind a '?': links are followed with what others hang onto them.
  const std::vector<std::string>& path = call.target.path();
  if (path.front() == "dashboard" && (path.size() == 1 || path[1].empty())) {
    return {.status = 302, .type = "text/plain; charset=utf-8", .headers = {{"Location", "/"}}};
  }
  std::optional<Answer> file =
      DashboardFile(path.size() == 1 ? kPage : std::string_view(path[1]), call.request);
  if (!file.has_value()) return ProblemOf("not_found", "there is nothing at this path");
  // With its own Cache-Control and none of ours, which is no-store.
  call.exchange.AnswerAsIs();
  if (file->status == 200) call.exchange.ClaimLength(file->body.size());
  return *std::move(file);
}

}  // namespace onced
