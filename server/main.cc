// SPDX-License-Identifier: MIT
// onced: the program. Reads the command line and does the one thing it was asked for.
#include <cstdio>
#include <exception>
#include <variant>

#include "engine/rocks_store.h"
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

int RunProgram(int argc, char** argv) {
  struct Visitor {
    int operator()(const ServeOptions& options) const { return Serve(options); }
    int operator()(const AcceptClockOptions& options) const { return AcceptClock(options); }
    int operator()(const Finished& finished) const { return finished.exit_code; }
  };
  return std::visit(Visitor{}, ParseCommandLine(argc, argv));
}

}  // namespace
}  // namespace onced

int main(int argc, char** argv) {
  try {
    return onced::RunProgram(argc, argv);
  } catch (const std::exception& error) {  // of a library: out of memory, out of threads
    std::fprintf(stderr, "onced: %s\n", error.what());
    return onced::kExitFailure;
  }
}
