// SPDX-License-Identifier: MIT
#include "server/serve_table.h"

#include <filesystem>
#include <utility>

#include "server/access/credential_file.h"
#include "server/config/option_sources.h"
#include "server/config/setting.h"
#include "server/gateway/gateway_file.h"
#include "server/gateway/origin.h"

namespace onced {
namespace {

constexpr size_t kFileMax = size_t{1} << 20;

// All of it, so that two that mean the same are spelled the same.
std::string Spelled(const Setting& setting) {
  std::string text = setting.name + "=" + setting.text + std::to_string(setting.integer) +
                     std::to_string(setting.number) + (setting.flag ? "+" : "-") + "{";
  for (const Setting& member : setting.members) text += Spelled(member) + ";";
  return text + "}";
}

// Where each setting stands: of a section's by "section.name", and of a section by its own name.
void NotePlaces(const Setting& table, const std::string& file, const std::string& within,
                std::map<std::string, std::string, std::less<>>* places) {
  for (const Setting& member : table.members) {
    const std::string name = within + member.name;
    places->emplace(
        name, file + ":" + std::to_string(member.at.line) + ":" + std::to_string(member.at.column));
    if (within.empty() && member.kind == Setting::Kind::kTable) {
      NotePlaces(member, file, name + ".", places);
    }
  }
}

// Of the gateway's section what waits for the next start: not its routes, and not what is a row.
std::string SpelledWithoutRoutes(Setting section) {
  std::erase_if(section.members, [](const Setting& member) {
    return member.name == "route" || member.name == "upstream" || member.name == "listen" ||
           member.name == "principal";
  });
  return section.members.empty() ? "" : Spelled(section);
}

}  // namespace

std::string ServeTable::Written(std::string_view name) const {
  for (const Option& row : rows_.rows()) {
    if (row.name != name) continue;
    if (row.source == Source::kEnvironment) return row.variable();
    if (row.source == Source::kFile) return InFile(row.setting);
    return row.flag();
  }
  return std::string(name);
}

std::string ServeTable::InFile(std::string_view setting) const {
  const auto place = places_.find(setting);
  return (place == places_.end() ? config_ : place->second) + ": " + std::string(setting);
}

Status ServeTable::Read(const std::map<std::string, std::string>& flags,
                        const std::vector<std::string>& environment) {
  ONCED_RETURN_IF_ERROR(ReadFile(flags, environment));
  options_.config = config_;
  for (const Option& row : rows_.rows()) {
    options_.written.emplace_back(row.name, row.name == "store" ? options_.store : row.text());
    options_.places.emplace(row.name, Written(row.name));
  }
  return CheckTogether();
}

// The file first, over it the environment, over that the flags: but which file it is they say, and
// a route of the file begins with what all of them say of leases.
Status ServeTable::ReadFile(const std::map<std::string, std::string>& flags,
                            const std::vector<std::string>& environment) {
  const auto flag = flags.find("config");
  const char* by = "--config: ";
  if (flag != flags.end()) config_ = flag->second;
  if (config_.empty()) {
    config_ = ValueOf(environment, "ONCED_CONFIG");
    by = "ONCED_CONFIG: ";
  }
  Setting whole;
  if (!config_.empty()) {
    const Result<std::string> text = ReadCredentialFile(config_, Readers::kAnybody, kFileMax);
    if (!text.ok()) {
      return Status::InvalidArgument(by + config_ + ": " + text.status().message());
    }
    Result<Setting> parsed = ParseSettings(*text, config_);
    if (!parsed.ok()) return parsed.status();
    whole = std::move(*parsed);
    NotePlaces(whole, config_, "", &places_);
  }
  Faults faults(config_);
  Settings file(whole, &faults);
  ReadOptions(whole, std::filesystem::path(config_).parent_path().string(), &file, &rows_);
  ONCED_RETURN_IF_ERROR(ReadOptions(environment, &rows_));
  ONCED_RETURN_IF_ERROR(ReadFlags(flags));
  if (const Setting* section = file.Find("gateway"); section != nullptr) {
    ReadGatewaySection(*section, config_, UnlessSaid(), &faults, &options_.gateway);
    options_.written.emplace_back("[gateway]", SpelledWithoutRoutes(*section));
  } else {
    options_.written.emplace_back("[gateway]", "");
  }
  file.End();
  ONCED_RETURN_IF_ERROR(faults.First());
  return SettleGateway();
}

Status ServeTable::ReadFlags(const std::map<std::string, std::string>& flags) {
  for (Option& row : rows_.rows()) {
    const auto given = flags.find(row.name);
    if (given == flags.end()) continue;
    const Status set = row.Set(given->second, Source::kFlag);
    if (!set.ok()) return Status::InvalidArgument(row.flag() + ": " + set.message());
  }
  return Status::Ok();
}

Route ServeTable::UnlessSaid() const {
  Route route;
  route.lease = options_.lease;
  route.retention = options_.retention;
  return route;
}

Status ServeTable::SettleGateway() {
  GatewayOptions& gateway = options_.gateway;
  if (gateway_.has_value()) {
    gateway.host = gateway_->host;
    gateway.port = gateway_->port;
    gateway.enabled = true;
  }
  if (principal_.principal != PrincipalSource::kUnset) {
    gateway.principal = principal_.principal;
    gateway.principal_header = principal_.principal_header;
  }
  if (upstream_.empty()) return Status::Ok();
  if (!gateway.routes.empty()) {
    return Status::InvalidArgument(Written("upstream") + ": " + config_ +
                                   " has routes of its own: choose one");
  }
  gateway.routes.push_back(*OnlyRoute(upstream_, UnlessSaid()));
  return Status::Ok();
}

}  // namespace onced
