// SPDX-License-Identifier: MIT
// onced: the program. Reads the command line and does the one thing it was asked for.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "engine/rocks_store.h"
#include "server/access/token_book.h"
#include "server/check.h"
#include "server/config/option_sources.h"
#include "server/config/secret_words.h"
#include "server/operations/last_resort.h"
#include "server/options.h"
#include "server/serve.h"

namespace onced {
namespace {

int AcceptClock(const AcceptClockOptions& options) {
  const Status accepted = AcceptWallClock(options.data);
  if (accepted.ok()) {
    std::fprintf(stderr, "onced: the wall clock will be believed at the next start\n");
    return kExitOk;
  }
  std::fprintf(stderr, "onced: %s\n", accepted.message().c_str());
  return ExitCodeOf(accepted);
}

// The token is the first line, by itself, so that it can be piped to where secrets are kept.
int NewTokenFor(const NewTokenOptions& options) {
  const std::string token = NewToken();
  std::printf(
      "%s\n\n"
      "# The line above is the token; it is not shown again. For the token file (in a tenant's\n"
      "# `tokens` there is room for two):\n%s",
      token.c_str(), TokenBook::Entry(options.caller, DigestOf(token)).c_str());
  return std::fflush(stdout) == 0 ? kExitOk : kExitFailure;
}

int RunProgram(const std::vector<std::string>& arguments) {
  const AskAgain read_again = [&arguments](const Tell& tell) -> std::optional<ServeOptions> {
    Options again = ParseCommandLine(arguments, Environment(), tell);
    ServeOptions* const serve = std::get_if<ServeOptions>(&again);
    return serve == nullptr ? std::nullopt : std::optional(std::move(*serve));
  };
  struct Visitor {
    const AskAgain& read_again;
    int operator()(const ServeOptions& options) const { return Serve(options, read_again); }
    int operator()(const CheckOptions& options) const { return Check(options.serve); }
    int operator()(const CommandOptions& options) const { return RunCommand(options); }
    int operator()(const AcceptClockOptions& options) const { return AcceptClock(options); }
    int operator()(const NewTokenOptions& options) const { return NewTokenFor(options); }
    int operator()(const Finished& finished) const { return finished.exit_code; }
  };
  return std::visit(Visitor{read_again}, ParseCommandLine(arguments, Environment()));
}

}  // namespace
}  // namespace onced

int main(int argc, char** argv) {
  // Where nothing is open below 3, a file of the data folder would be what lines are written to.
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
  onced::InstallLastResort();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  // From here on ps(1) shows no password, whoever looks.
  for (int i = 1; i < argc; ++i) onced::HideSecrets(argv[i]);
  try {
    return onced::RunProgram(arguments);
  } catch (const std::system_error& error) {
    const bool threads = error.code() == std::errc::resource_unavailable_try_again;
    std::fprintf(stderr, "onced: %s%s\n", threads ? "out of threads: " : "", error.what());
    return threads ? onced::kExitNoResources : onced::kExitFailure;
  } catch (const std::exception& error) {  // of a library
    std::fprintf(stderr, "onced: %s\n", error.what());
    return onced::kExitFailure;
  }
}
