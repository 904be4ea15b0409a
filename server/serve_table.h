// SPDX-License-Identifier: MIT
// ServeTable: everything that can be asked of `onced serve`, in one table, and whether it goes
// together. `onced check` and `onced config` take the same.
//
// Threads: use from one.
// Invariants: after Read has returned Ok, the options are complete, within their limits, and safe
// together; after anything else they are of no use.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/config/address.h"
#include "server/config/option.h"
#include "server/options.h"

namespace onced {

struct Setting;
class Faults;

class ServeTable {
 public:
  ServeTable();
  ServeTable(const ServeTable&) = delete;
  ServeTable& operator=(const ServeTable&) = delete;

  // Flags by their names, without dashes; `environment` as environ(7) has it. What is wrong begins
  // with where it was written: --flag, ONCED_VARIABLE or file:line:column.
  Status Read(const std::map<std::string, std::string>& flags,
              const std::vector<std::string>& environment);

  OptionTable& rows() { return rows_; }
  const ServeOptions& options() const { return options_; }

 private:
  // Of serve_table_rows.cc.
  void AddListener();
  void AddAccess();
  void AddStore();
  void AddLimits();
  void AddLog();
  void AddGateway();
  void AddTls();

  Status ReadFile(const std::map<std::string, std::string>& flags,
                  const std::vector<std::string>& environment);
  Status ReadFlags(const std::map<std::string, std::string>& flags);
  Status SettleGateway();
  Route UnlessSaid() const;  // what a route begins with
  Status CheckTogether();
  Status CheckStore();
  Status CheckPorts() const;
  Status CheckAccess() const;
  Status CheckTransport() const;
  Status CheckGateway() const;
  Status CheckPrincipal() const;
  // As its author knows the row: by the flag, the variable or the setting.
  std::string Written(std::string_view name) const;
  // A setting of the file, by its name with its section's, and where it stands.
  std::string InFile(std::string_view setting) const;

  ServeOptions options_;
  std::string config_;
  std::map<std::string, std::string, std::less<>> places_;  // file:line:column of each setting
  // What flags and environment say of the gateway: its own section of the file is read between.
  std::optional<Address> gateway_;
  GatewayOptions principal_;  // only who asks is read of it
  std::string upstream_;
  OptionTable rows_;
};

}  // namespace onced
