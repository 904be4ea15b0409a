// SPDX-License-Identifier: MIT
// The token file: what is right in it lets the right caller in, what is wrong is named by its place
// and never lets anybody in.
#include "server/access/token_book.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/access/doorkeeper.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

using Book = std::shared_ptr<const TokenBook>;

std::string DigestOfText(const std::string& token) { return DigestText(DigestOf(token)); }

std::string Tenant(const std::string& name, const std::string& more) {
  return "[[tenant]]\nname = \"" + name + "\"\n" + more + "\n";
}
std::string Tokens(const std::string& first, const std::string& second = "") {
  return "tokens = [\"" + DigestOfText(first) + "\"" +
         (second.empty() ? "" : ", \"" + DigestOfText(second) + "\"") + "]\n";
}

Book Read(const std::string& text) { return Value(TokenBook::Parse(text, "tokens.toml")); }
// What is said against it; "" when nothing is.
std::string Complaint(const std::string& text) {
  const Status status = StatusOf(TokenBook::Parse(text, "t"));
  return status.ok() ? "" : status.message();
}

TEST(Token, IsMadeOf256RandomBitsAndSaysWhatItIs) {
  std::set<std::string> made;
  for (int i = 0; i < 1'000; ++i) made.insert(NewToken());
  EXPECT_EQ(made.size(), 1'000u);
  EXPECT_TRUE(std::regex_match(*made.begin(), std::regex("onced_[0-9a-f]{64}")));
}

TEST(Token, IsKnownByItsSha256) {
  EXPECT_EQ(DigestOfText("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const TokenDigest digest = DigestOf("abc");
  EXPECT_EQ(ParseDigest(DigestText(digest)), digest);
  EXPECT_EQ(ParseDigest("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"),
            digest);
  for (const std::string& bad : {std::string(), std::string(63, 'a'), std::string(65, 'a'),
                                 std::string(63, 'a') + "g", std::string(63, 'a') + " "}) {
    EXPECT_FALSE(ParseDigest(bad).has_value()) << bad;
  }
  EXPECT_TRUE(SameDigest(digest, DigestOf("abc")));
  EXPECT_FALSE(SameDigest(digest, DigestOf("abd")));
}

TEST(TokenBook, FindsTheCallerOfEachToken) {
  const Book book = Read(Tenant("shop", Tokens("old", "new") + "keys_max = 5") +
                         Tenant("ops", "role = \"admin\"\n" + Tokens("admin")));
  const Caller* shop = book->OfToken("old");
  ASSERT_NE(shop, nullptr);
  EXPECT_EQ(book->OfToken("new"), shop) << "two live tokens, one caller";
  EXPECT_EQ(shop->tenant, "shop");
  EXPECT_EQ(shop->role, Role::kApp) << "the lesser role unless said";
  EXPECT_EQ(shop->keys_max, 5u);
  const Caller* ops = book->OfToken("admin");
  ASSERT_NE(ops, nullptr);
  EXPECT_EQ(ops->role, Role::kAdmin);
  EXPECT_EQ(ops->keys_max, std::nullopt);
  for (const std::string& bad :
       {std::string(), std::string("Old"), std::string("old "), std::string("oldnew"),
        DigestOfText("old"), std::string(10'000, 'x')}) {
    EXPECT_EQ(book->OfToken(bad), nullptr) << bad;
  }
}

TEST(TokenBook, FindsTheCallerOfACertificate) {
  const Book book = Read(Tenant("shop", "certificate_subjects = [\"CN=shop,O=Co\", \"CN=b\"]") +
                         Tenant("other", "certificate_subjects = [\"CN=other\"]"));
  ASSERT_NE(book->OfCertificate("CN=shop,O=Co"), nullptr);
  EXPECT_EQ(book->OfCertificate("CN=shop,O=Co")->tenant, "shop");
  EXPECT_EQ(book->OfCertificate("CN=b")->tenant, "shop");
  EXPECT_EQ(book->OfCertificate("CN=other")->tenant, "other");
  for (const char* bad : {"", "CN=shop", "cn=b", "CN=b ", "O=Co,CN=shop"}) {
    EXPECT_EQ(book->OfCertificate(bad), nullptr) << bad;
  }
}

TEST(TokenBook, NamesThePlaceAndTheFieldOfWhatIsWrong) {
  const std::string digest = DigestOfText("t");
  const struct {
    std::string text;
    const char* complaint;
  } table[] = {
      {"", "t:1:1: tenant: "},
      {"# nothing\n", ": tenant: "},
      {"tenants = 1", "t:1:1: tenants: unknown field"},
      {"tenant = 1", "t:1:10: tenant: "},
      {"[tenant]\nname = \"a\"", "t:1:1: tenant: "},
      {"tenant = [1]", "t:1:11: tenant: "},
      {Tenant("a", "colour = 1"), "t:3:1: colour: unknown field"},
      {Tenant("a", "token = []"), "t:3:1: token: unknown field"},
      {"[[tenant]]\nrole = \"app\"", "t:1:1: name: is required"},
      {"[[tenant]]\nname = 5", "t:2:8: name: must be a string"},
      {Tenant("", ""), "t:2:8: name: must be 1..64"},
      {Tenant("a b", ""), "t:2:8: name: "},
      {Tenant(std::string(65, 'n'), ""), "t:2:8: name: "},
      {Tenant("a", "role = \"root\""), "t:3:8: role: "},
      {Tenant("a", "role = 1"), "t:3:8: role: "},
      {Tenant("a", "tokens = \"" + digest + "\""), "t:3:10: tokens: must be a list"},
      {Tenant("a", "tokens = [1]"), "t:3:11: tokens: "},
      {Tenant("a", "tokens = [\"short\"]"), "t:3:11: tokens: "},
      {Tenant("a", "tokens = [\"" + digest + "0\"]"), "t:3:11: tokens: "},
      {Tenant("a", "tokens = [\"" + digest + "\",\n \"" + digest + "\"]"), "t:4:2: tokens: "},
      {Tenant("a", "tokens = [\"" + DigestOfText("1") + "\",\"" + DigestOfText("2") + "\",\"" +
                       DigestOfText("3") + "\"]"),
       "t:3:10: tokens: two at most"},
      {Tenant("a", Tokens("x")) + Tenant("b", Tokens("x")), ": tokens: this token is in the file"},
      {Tenant("a", "") + Tenant("a", ""), "t:5:8: name: this tenant is in the file twice"},
      {Tenant("a", "keys_max = 0"), "t:3:12: keys_max: "},
      {Tenant("a", "keys_max = -1"), "t:3:12: keys_max: "},
      {Tenant("a", "keys_max = 1.5"), "t:3:12: keys_max: "},
      {Tenant("a", "keys_max = \"5\""), "t:3:12: keys_max: "},
      {Tenant("a", "certificate_subjects = \"CN=a\""), "t:3:24: certificate_subjects: "},
      {Tenant("a", "certificate_subjects = [\"\"]"), "t:3:25: certificate_subjects: "},
      {Tenant("a", "certificate_subjects = [\"CN=a\", \"CN=a\"]"), ": certificate_subjects: "},
      {"[[tenant]\n", "t:1:"},
      {"[[tenant]]\nname = \"a", "t:2:"},
      {"[[tenant]]\nname = \"a\"\nname = \"b\"", "t:3:"},
  };
  for (const auto& [text, complaint] : table) {
    EXPECT_NE(Complaint(text).find(complaint), std::string::npos)
        << text << "\n-> " << Complaint(text) << "\nand not " << complaint;
  }
}

// Somebody pastes the token itself instead of its digest, or breaks the file around it.
TEST(TokenBook, RepeatsNoSecretOfAFileItRefuses) {
  const std::string token = NewToken();
  for (const std::string& text :
       {Tenant("a", "tokens = [\"" + token + "\"]"), Tenant("a", "tokens = [" + token + "]"),
        Tenant("a", token + " = 1\n" + token + " = 2"), Tenant("a", token + " = 1"), token,
        Tenant("a", "role = \"" + token + "\""), Tenant("a", "tokens = [\"" + token)}) {
    EXPECT_FALSE(Complaint(text).empty()) << text;
    EXPECT_EQ(Complaint(text).find(token.substr(6)), std::string::npos) << Complaint(text);
  }
}

TEST(TokenBook, IsWrittenAsItIsRead) {
  const std::string token = NewToken();
  for (const Caller& caller :
       {Caller{.tenant = "shop"}, Caller{.tenant = "\"\\'#]=", .role = Role::kAdmin}}) {
    const Book book = Read(TokenBook::Entry(caller, DigestOf(token)));
    ASSERT_NE(book->OfToken(token), nullptr);
    EXPECT_EQ(book->OfToken(token)->tenant, caller.tenant);
    EXPECT_EQ(book->OfToken(token)->role, caller.role);
    EXPECT_EQ(TokenBook::Entry(caller, DigestOf(token)).find(token), std::string::npos);
  }
}

TEST(TokenBook, IsNotReadWhereOthersCanReadOrWriteIt) {
  const TempFolder folder;
  const std::string path = folder.path("tokens.toml");
  WriteFile(path, Tenant("a", Tokens("t")));
  for (const mode_t mode : {0600, 0640, 0400, 0440, 0700}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_EQ(StatusOf(TokenBook::Load(path)).message(), "") << std::oct << mode;
  }
  for (const mode_t mode : {0644, 0604, 0602, 0601, 0660, 0620, 0666, 0777}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    const Status refused = StatusOf(TokenBook::Load(path));
    EXPECT_NE(refused.message().find(path + ": its mode is "), std::string::npos)
        << std::oct << mode;
  }
}

TEST(TokenBook, IsAFile) {
  const TempFolder folder;
  for (const std::string& path :
       {folder.path("absent"), folder.path(""), std::string("/dev/null")}) {
    const Status refused = StatusOf(TokenBook::Load(path));
    EXPECT_EQ(FaultOf(refused), Fault::kInvalidArgument) << path;
    EXPECT_TRUE(refused.message().starts_with(path + ": ")) << refused.message();
  }
  ASSERT_EQ(mkfifo(folder.path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(FaultOf(TokenBook::Load(folder.path("pipe"))), Fault::kInvalidArgument);
}

TEST(Doorkeeper, TakesTheNewBookAndKeepsTheOldOneWhenTheNewIsNotValid) {
  const TempFolder folder;
  const std::string path = folder.path("tokens.toml");
  const auto write = [&](const std::string& text) {
    WriteFile(path, text);
    ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  };
  write(Tenant("a", Tokens("first")));
  const std::unique_ptr<Doorkeeper> doorkeeper = Value(Doorkeeper::Open(path));
  const Book before = doorkeeper->Book();
  write(Tenant("a", Tokens("first", "second")));
  EXPECT_EQ(before->OfToken("second"), nullptr);
  EXPECT_EQ(doorkeeper->Book()->OfToken("second"), nullptr) << "not before it is asked to";
  Must(doorkeeper->Reload());
  EXPECT_NE(doorkeeper->Book()->OfToken("first"), nullptr);
  EXPECT_NE(doorkeeper->Book()->OfToken("second"), nullptr);
  write("[[tenant]]\n");
  EXPECT_FALSE(doorkeeper->Reload().ok());
  EXPECT_NE(doorkeeper->Book()->OfToken("second"), nullptr);
  write(Tenant("a", Tokens("second")));
  Must(doorkeeper->Reload());
  EXPECT_EQ(doorkeeper->Book()->OfToken("first"), nullptr);
  EXPECT_NE(before->OfToken("first"), nullptr) << "a book in use stays as it is";
}

}  // namespace
}  // namespace onced
