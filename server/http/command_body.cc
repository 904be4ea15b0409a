// SPDX-License-Identifier: MIT
#include "server/http/command_body.h"

#include <string>
#include <utility>

#include "server/web/stored_answer.h"

namespace onced {
namespace {

std::optional<std::string> Owned(std::optional<std::string_view> raw) {
  return raw.has_value() ? std::optional<std::string>(*raw) : std::nullopt;
}

// Given but empty is an error, where absent is not.
std::string Optional(Fields& fields, std::string_view name, size_t most) {
  std::optional<std::string> text = fields.OptionalText(name);
  if (!text.has_value()) return {};
  const Status checked = CheckPrintable(name, *text, 1, most);
  if (!checked.ok()) fields.Fail(checked.message());
  return *std::move(text);
}

uint64_t RequiredFence(Fields& fields) {
  const std::optional<uint64_t> fence = fields.OptionalFence("fence");
  if (!fence.has_value()) fields.Fail("fence: is required");
  return fence.value_or(0);
}

Command ReadClaim(Fields& fields, const CommandDefaults& defaults) {
  ClaimCommand claim;
  claim.fingerprint = Optional(fields, "fingerprint", kFingerprintMax);
  claim.lease_ms = fields.OptionalInteger("lease_ms").value_or(defaults.lease_ms);
  claim.retention_ms = fields.OptionalInteger("retention_ms").value_or(defaults.retention_ms);
  const bool unknown = fields.OptionalChoice("on_lapse", "retry", "unknown").value_or(false);
  claim.on_lapse = unknown ? OnLapse::kUnknown : OnLapse::kRetry;
  claim.claim_id = Optional(fields, "claim_id", kClaimIdMax);
  claim.holder = Optional(fields, "holder", kHolderMax);
  return claim;
}

Command ReadComplete(Fields& fields, const CommandDefaults& defaults) {
  const std::optional<uint64_t> fence = fields.OptionalFence("fence");
  std::optional<std::string> result = Owned(fields.OptionalRaw("result"));
  const std::optional<int64_t> retention_ms = fields.OptionalInteger("retention_ms");
  if (fence.has_value()) {
    return CompleteCommand{
        .fence = *fence, .result = std::move(result), .retention_ms = retention_ms};
  }
  return CompleteUnclaimedCommand{.fingerprint = Optional(fields, "fingerprint", kFingerprintMax),
                                  .result = std::move(result),
                                  .retention_ms = retention_ms.value_or(defaults.retention_ms)};
}

Command ReadResolve(Fields& fields) {
  const std::optional<bool> released = fields.OptionalChoice("decision", "completed", "released");
  if (!released.has_value()) fields.Fail("decision: is required");
  const std::optional<std::string_view> result = fields.OptionalRaw("result");
  if (released.value_or(false) && result.has_value()) {
    fields.Fail("result: only goes with the decision \"completed\"");
  }
  return ResolveCommand{.completed = !released.value_or(false), .result = Owned(result)};
}

// What a gateway's keys ask of a command. Its runs begin with a request to the gateway, and what
// ends them will be replayed as an answer of the upstream.
Status CheckForGateway(const Command& command) {
  if (std::holds_alternative<ClaimCommand>(command) ||
      std::holds_alternative<CompleteUnclaimedCommand>(command)) {
    return Status::InvalidArgument("scope: \"" + std::string(kGatewayScope) +
                                   "\" begins the scopes of the gateway, which alone claims there");
  }
  const std::optional<std::string>* result = nullptr;
  if (const auto* complete = std::get_if<CompleteCommand>(&command)) result = &complete->result;
  if (const auto* resolve = std::get_if<ResolveCommand>(&command)) {
    if (resolve->completed) result = &resolve->result;
  }
  if (result == nullptr) return Status::Ok();
  if (!result->has_value()) {
    return Status::InvalidArgument("result: is required: the answer that the gateway will replay");
  }
  const Result<StoredAnswer> answer = StoredAnswer::Parse(**result);
  if (answer.ok()) return Status::Ok();
  return Status::InvalidArgument("result: " + answer.status().message());
}

}  // namespace

Result<CommandBody> ReadCommand(std::string_view verb, std::string_view tenant, Fields& fields,
                                const CommandDefaults& defaults, bool in_batch) {
  if (in_batch) (void)fields.OptionalText("op");
  const std::string key_text = fields.Text("key");
  const std::string scope = fields.OptionalText("scope").value_or("default");
  std::optional<std::string> named;
  Command command;
  int64_t wait_ms = 0;
  if (verb == "claim") {
    command = ReadClaim(fields, defaults);
    if (!in_batch) wait_ms = fields.OptionalInteger("wait_ms").value_or(0);
  } else if (verb == "complete") {
    command = ReadComplete(fields, defaults);
  } else if (verb == "release") {
    command = ReleaseCommand{.fence = RequiredFence(fields)};
  } else if (verb == "renew") {
    const uint64_t fence = RequiredFence(fields);
    command = RenewCommand{
        .fence = fence, .lease_ms = fields.OptionalInteger("lease_ms").value_or(defaults.lease_ms)};
  } else if (verb == "mark-unknown") {
    command = MarkUnknownCommand{.fence = RequiredFence(fields)};
  } else {
    ONCED_CHECK(verb == "resolve");
    named = fields.OptionalText("tenant");
    command = ReadResolve(fields);
  }
  if (wait_ms < 0 || wait_ms > kWaitMaxMs) {
    fields.Fail("wait_ms: must be 0.." + std::to_string(kWaitMaxMs));
  }
  ONCED_RETURN_IF_ERROR(fields.Finish());
  Result<Key> key = Key::Make(named.has_value() ? *named : tenant, scope, key_text);
  if (!key.ok()) return key.status();
  ONCED_RETURN_IF_ERROR(Ledger::Check(command));
  if (scope.starts_with(kGatewayScope)) ONCED_RETURN_IF_ERROR(CheckForGateway(command));
  return CommandBody{.operation = {.key = std::move(*key), .command = std::move(command)},
                     .wait_ms = wait_ms};
}

}  // namespace onced
