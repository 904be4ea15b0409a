// SPDX-License-Identifier: MIT
#include "server/banner.h"

#include <filesystem>
#include <string>

#include "server/config/address.h"
#include "server/config/secret_words.h"
#include "server/gateway/origin.h"

namespace onced {
namespace {

std::string UrlOf(const ServeOptions& options, const std::string& host, uint16_t port) {
  return (options.tls.certificate.empty() ? "http://" : "https://") + AddressText(host, port);
}

// As a client's library takes it.
std::string RedisUrl(const ServeOptions& options, const Doors& doors) {
  return (options.tls.certificate.empty() ? "redis://" : "rediss://") +
         AddressText(options.redis->host, doors.redis_port());
}

std::string WhereItKeeps(const ServeOptions& options) {
  if (!options.store.empty()) return "  store      " + WithoutSecrets(options.store) + "\n";
  std::error_code ignored;
  return "  data       " + std::filesystem::absolute(options.data, ignored).string() +
         "\n  durability " + DurabilityName(options.durability) + "\n";
}

std::string ForPeople(const ServeOptions& options, const Doors& doors) {
  const std::string url = UrlOf(options, options.host, doors.api_port());
  std::string flags;
  if (!options.tls.certificate.empty()) flags += " --cacert CERT";
  if (!options.tokens.empty()) flags += " -H \"Authorization: Bearer $token\"";
  std::string text = "onced " ONCED_VERSION "\n  dashboard  " + url + "/\n  API        " + url +
                     "/v1/\n  example    " + url + "/api/payments\n" + WhereItKeeps(options);
  if (options.redis.has_value()) {
    text += "  redis      " + AddressText(options.redis->host, doors.redis_port()) + "\n";
  }
  if (options.gateway.enabled) {
    const std::string before = UrlOf(options, options.gateway.host, doors.gateway_port());
    for (const Route& route : options.gateway.routes) {
      text += "  gateway    " + before + route.prefix + " -> " + route.origin->Name() + "\n";
    }
  }
  return text + "  try: curl" + flags + " --json '{\"key\":\"order-1\"}' " + url + "/v1/claim";
}

}  // namespace

void SayListening(Journal& log, const ServeOptions& options, const Doors& doors) {
  if (log.format() == LogFormat::kText) return log.SayPlain(ForPeople(options, doors));
  const auto listening = [&log](const char* component, const std::string& url) {
    log.Say(
        {.event = LogEvent::kListening, .msg = "listening", .component = component, .url = url});
  };
  listening("http", UrlOf(options, options.host, doors.api_port()));
  if (options.redis.has_value()) listening("redis", RedisUrl(options, doors));
  if (options.gateway.enabled) {
    listening("gateway", UrlOf(options, options.gateway.host, doors.gateway_port()));
  }
  log.Say(LogEvent::kReady, "onced " ONCED_VERSION " serves, " +
                                (options.store.empty() ? std::string("durability ") +
                                                             DurabilityName(options.durability)
                                                       : "store " + WithoutSecrets(options.store)));
}

}  // namespace onced
