# SPDX-License-Identifier: MIT
# Writes the files of the dashboard into a source file, byte for byte:
#     cmake -D OUT=FILE.cc -D FILES=A,B,... -P embed.cmake
# By its last name each; of server/http/dashboard.h it is kDashboardFiles.
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
  file(READ "${file}" bytes HEX)
  # Characters, not numbers: a char may have a sign, and 0xe2 would not fit.
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
  string(REGEX REPLACE "(........................................................................)" "\\1\"\n\"" bytes "${bytes}")
  get_filename_component(name "${file}" NAME)
  string(APPEND arrays "constexpr char kFile${number}[] =\n\"${bytes}\";\n")
  string(APPEND rows "  {\"${name}\", {kFile${number}, sizeof(kFile${number}) - 1}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "#include <array>

#include \"server/http/dashboard.h\"

namespace onced {
namespace {
${arrays}
constexpr std::array<EmbeddedFile, ${number}> kFiles = {{
${rows}}};
}  // namespace

const std::span<const EmbeddedFile> kDashboardFiles(kFiles);

}  // namespace onced
")
