// SPDX-License-Identifier: MIT
// What a TLS port accepts as its certificate, its key and its clients' authority, and what it keeps
// when the files change.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "server/wire/tls.h"
#include "tests/certificates.h"

namespace onced {
namespace {

using wire::TlsCredentials;
using wire::TlsFiles;

// What is wrong with the files; "" when they were accepted.
std::string Complaint(const TlsFiles& files) {
  const auto loaded = TlsCredentials::Load(files);
  if (loaded.ok()) return "";
  EXPECT_EQ(loaded.status().fault(), Fault::kInvalidArgument);
  EXPECT_EQ(loaded.status().message().find("BEGIN"), std::string::npos);
  return loaded.status().message();
}

class TlsFilesTest : public testing::Test {
 protected:
  TlsFilesTest() {
    here.Make("server", {.issuer = "ca"});
    files = {.certificate = here.certificate("server"),
             .key = here.key("server"),
             .client_ca = here.certificate("ca")};
  }
  // Each complaint names the flag and the file, and says what is the matter.
  void ExpectComplaint(const std::string& flag, const std::string& file, const std::string& why) {
    const std::string said = Complaint(files);
    EXPECT_EQ(said.find(flag + " " + file + ": "), 0u) << said;
    EXPECT_NE(said.find(why), std::string::npos) << said;
  }

  // The same file instead of each of the three.
  void ExpectComplaintInEveryPlace(const std::string& file, const std::string& why) {
    const TlsFiles good = files;
    files.certificate = file;
    ExpectComplaint("--tls-cert", file, why);
    files = good;
    files.key = file;
    ExpectComplaint("--tls-key", file, why);
    files = good;
    files.client_ca = file;
    ExpectComplaint("--tls-client-ca", file, why);
    files = good;
  }

  CertificateFolder here;
  TlsFiles files;
};

TEST_F(TlsFilesTest, AreTakenWhenTheyFit) {
  EXPECT_EQ(Complaint(files), "");
  files.client_ca = "";
  EXPECT_EQ(Complaint(files), "");
}

TEST_F(TlsFilesTest, WithAKeyThatOthersCanReadAreRefused) {
  namespace fs = std::filesystem;
  for (const auto& [mode, text] : {std::pair{0644, "0644"}, {0640, "0640"}, {0604, "0604"}}) {
    fs::permissions(files.key, static_cast<fs::perms>(mode));
    ExpectComplaint("--tls-key", files.key, text);
  }
  fs::permissions(files.key, static_cast<fs::perms>(0400));
  EXPECT_EQ(Complaint(files), "");
}

TEST_F(TlsFilesTest, ThatDoNotFitTogetherAreRefused) {
  here.Make("other");
  files.key = here.key("other");
  ExpectComplaint("--tls-key", files.key, "does not fit --tls-cert");
}

TEST_F(TlsFilesTest, ThatAreMissingAreRefused) {
  ExpectComplaintInEveryPlace(here.path("none"), "No such file");
  ExpectComplaintInEveryPlace(here.path(""), "not a regular file");
}

// To open a pipe by its name is to wait for its writer: a reload would have waited for good, on the
// thread that also takes SIGTERM.
TEST_F(TlsFilesTest, ThatArePipesAreRefusedAtOnce) {
  const std::string pipe = here.path("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  ExpectComplaintInEveryPlace(pipe, "not a regular file");
}

TEST_F(TlsFilesTest, ThatAnybodyMayWriteAreRefused) {
  std::filesystem::permissions(files.client_ca, static_cast<std::filesystem::perms>(0666));
  ExpectComplaint("--tls-client-ca", files.client_ca, "0666");
}

TEST_F(TlsFilesTest, ThatAreTooLargeAreRefused) {
  here.Write("large", std::string((1u << 20) + 1, '#'));
  files.client_ca = here.path("large");
  ExpectComplaint("--tls-client-ca", files.client_ca, "larger than 1024 KiB");
}

// Half an authority's file would let only half of the clients in.
TEST_F(TlsFilesTest, WithADamagedCertificateAfterAGoodOneAreRefused) {
  here.Make("other-ca", {.authority = true});
  const std::string good = ReadFile(here.certificate("ca"));
  const std::string other = ReadFile(here.certificate("other-ca"));
  files.client_ca = here.path("both");
  here.Write("both", good + other);
  EXPECT_EQ(Complaint(files), "");
  here.Write("both", good + std::string(other).replace(60, 4, "!!!!"));
  ExpectComplaint("--tls-client-ca", files.client_ca, "damaged");
}

TEST_F(TlsFilesTest, ThatHoldSomethingElseAreRefused) {
  const TlsFiles good = files;
  here.Write("junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  for (const std::string& junk : {here.path("junk"), good.key}) {
    files = good;
    files.certificate = junk;
    ExpectComplaint("--tls-cert", junk, "no certificate");
    files = good;
    files.client_ca = junk;
    ExpectComplaint("--tls-client-ca", junk, "no certificate");
  }
  for (const std::string& junk : {here.path("junk"), good.certificate}) {
    std::filesystem::permissions(junk, std::filesystem::perms::owner_read);
    files = good;
    files.key = junk;
    ExpectComplaint("--tls-key", junk, "no private key");
  }
}

// The library would ask for the passphrase on the terminal, and a service hang at its start.
TEST_F(TlsFilesTest, WithAKeyUnderAPassphraseAreRefused) {
  here.MakeSecretKey("server", "a passphrase");
  ExpectComplaint("--tls-key", files.key, "without a passphrase");
}

TEST_F(TlsFilesTest, AreReadAgainAndKeptWhenTheNewOnesAreBad) {
  const auto credentials = Value(TlsCredentials::Load(files));
  const auto first = credentials->context();
  EXPECT_TRUE(credentials->Reload().ok());
  const auto second = credentials->context();
  EXPECT_NE(second, first);
  here.Make("server", {.issuer = "ca"});
  EXPECT_TRUE(credentials->Reload().ok());
  const auto third = credentials->context();
  EXPECT_NE(third, second);
  here.Write("server.pem", "junk");
  const Status refused = credentials->Reload();
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.message().find(files.certificate), std::string::npos) << refused.message();
  EXPECT_EQ(credentials->context(), third);
}

}  // namespace
}  // namespace onced
