// SPDX-License-Identifier: MIT
#include "server/commands/api_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "server/access/credential_file.h"

namespace onced {
namespace {

constexpr size_t kTokenMax = 4096;
constexpr long kConnectMs = 5'000;

size_t Append(const char* bytes, size_t size, size_t count, void* to) {
  static_cast<std::string*>(to)->append(bytes, size * count);
  return size * count;
}

// What a flag has said, or else the variable.
std::string Said(const std::string& flag, const char* variable) {
  if (!flag.empty()) return flag;
  const char* const value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

struct Headers {
  ~Headers() { curl_slist_free_all(list); }
  void Add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
  curl_slist* list = nullptr;
};

}  // namespace

struct ApiClient::Impl {
  ~Impl() { curl_easy_cleanup(curl); }

  ServerAddress server;
  std::string token;
  CURL* curl = curl_easy_init();
};

ApiClient::ApiClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiClient::~ApiClient() = default;

Result<std::unique_ptr<ApiClient>> ApiClient::Make(const ServerAddress& server) {
  auto impl = std::make_unique<Impl>();
  impl->server = {.url = Said(server.url, "ONCED_SERVER"),
                  .token_file = Said(server.token_file, "ONCED_TOKEN_FILE"),
                  .ca_file = server.ca_file};
  if (impl->server.url.empty()) impl->server.url = kServerUnsaid;
  while (impl->server.url.ends_with('/')) impl->server.url.pop_back();
  if (impl->server.url.find('@') != std::string::npos) {
    return Status::InvalidArgument("--server: takes no name and password; see --token-file");
  }
  if (const std::string& file = impl->server.token_file; !file.empty()) {
    Result<std::string> read = ReadCredentialFile(file, Readers::kGroup, kTokenMax);
    const std::string of_file = "--token-file: " + file + ": ";
    if (!read.ok()) return Status::InvalidArgument(of_file + read.status().message());
    impl->token = read->substr(0, read->find_first_of("\r\n"));
    const bool printable = std::all_of(impl->token.begin(), impl->token.end(),
                                       [](char c) { return c > 0x20 && c < 0x7F; });
    if (impl->token.empty() || !printable) {
      return Status::InvalidArgument(of_file + "its first line is no token");
    }
  }
  return std::unique_ptr<ApiClient>(new ApiClient(std::move(impl)));
}

Result<ApiClient::Reply> ApiClient::Ask(const char* method, const std::string& target,
                                        const std::string& json, std::chrono::seconds patience,
                                        bool wants_json) {
  CURL* const curl = impl_->curl;
  curl_easy_reset(curl);
  const std::string url = impl_->server.url + target;
  Headers headers;
  headers.Add("Expect:");
  headers.Add("Content-Type: application/json");
  if (wants_json) headers.Add("Accept: application/json");
  if (!impl_->token.empty()) headers.Add("Authorization: Bearer " + impl_->token);
  Reply reply;
  char error[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.list);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(patience.count()));
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  if (!impl_->server.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, impl_->server.ca_file.c_str());
  }
  if (!json.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json.data());
  }
  const CURLcode result = curl_easy_perform(curl);
  if (result != CURLE_OK) {
    return Status::Unavailable(impl_->server.url + ": " +
                               (error[0] != '\0' ? error : curl_easy_strerror(result)));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  return reply;
}

const std::string& ApiClient::url() const { return impl_->server.url; }

std::string ApiClient::Escaped(std::string_view text) {
  char* const escaped = curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size()));
  std::string out = escaped;
  curl_free(escaped);
  return out;
}

}  // namespace onced
