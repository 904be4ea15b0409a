// SPDX-License-Identifier: MIT
// What the gateway keeps of an answer: it comes back byte for byte, its JSON is what any reader of
// JSON sees, and nothing is let in by hand that could not be put on the wire.
#include "server/web/stored_answer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/fixtures.h"

namespace onced {
namespace {

std::string Quoted(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  return text;
}
// "fine", or what was said.
std::string Verdict(const std::string& text) {
  const Result<StoredAnswer> answer = StoredAnswer::Parse(Quoted(text));
  return answer.ok() ? "fine" : answer.status().message();
}
std::string WithHeaders(const std::string& headers) {
  return Verdict("{'status':200,'headers':" + headers + ",'body_base64':''}");
}
std::string WithBody(const std::string& base64) {
  return Verdict("{'status':200,'headers':[],'body_base64':'" + base64 + "'}");
}

TEST(StoredAnswer, ReadsAsTheDesignWritesIt) {
  const StoredAnswer answer{
      .status = 201, .headers = {{"content-type", "text/plain"}}, .body = "hi"};
  const std::string json =
      Quoted("{'status':201,'headers':[['content-type','text/plain']],'body_base64':'aGk='}");
  EXPECT_EQ(answer.Encode(), json);
  EXPECT_EQ(Value(StoredAnswer::Parse(json)), answer);
}

TEST(StoredAnswer, SaysWhatOfItWasNotKept) {
  const StoredAnswer omitted{.status = 200, .headers = {{"etag", "\"1\""}}, .body_omitted = true};
  EXPECT_EQ(omitted.Encode(), R"({"status":200,"headers":[["etag","\"1\""]],"body_omitted":true})");
  EXPECT_EQ(Value(StoredAnswer::Parse(omitted.Encode())), omitted);
  const StoredAnswer consumed{.status = 204, .consumed = true};
  EXPECT_EQ(consumed.Encode(), R"({"status":204,"consumed":true})");
  EXPECT_EQ(Value(StoredAnswer::Parse(consumed.Encode())), consumed);
}

// Any bytes in the body, and in a value any that may stand in one. nlohmann's is the other reader.
TEST(StoredAnswer, ComesBackByteForByte) {
  const uint64_t seed = Seed(21);
  SCOPED_TRACE("ONCED_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto bytes = [&random](size_t most, unsigned least) {
    std::string text(random() % (most + 1), '\0');
    for (char& c : text) {
      do c = static_cast<char>(random());
      while (static_cast<unsigned char>(c) < least || (least > 0 && c == 0x7F));
    }
    return text;
  };
  for (int i = 0; i < 3'000; ++i) {
    StoredAnswer answer{.status = static_cast<int>(200 + random() % 400), .body = bytes(70, 0)};
    for (uint64_t n = random() % 4; n > 0; --n) {
      answer.headers.emplace_back("X-" + std::to_string(n), bytes(40, 0x20) + "\t");
    }
    const std::string json = answer.Encode();
    ASSERT_EQ(Value(StoredAnswer::Parse(json)), answer);
    const auto seen = nlohmann::json::parse(json);
    ASSERT_EQ(seen["status"], answer.status);
    ASSERT_EQ(seen["headers"].size(), answer.headers.size());
    ASSERT_EQ(seen["body_base64"].get<std::string>().size(), (answer.body.size() + 2) / 3 * 4);
  }
}

TEST(StoredAnswer, WritesAByteOfAValueAsOneCodePoint) {
  const StoredAnswer answer{.headers = {{"x-name", "caf\xE9 \xC3\xA9"}}};
  const auto seen = nlohmann::json::parse(answer.Encode());
  EXPECT_EQ(seen["headers"][0][1], "caf\u00E9 \u00C3\u00A9");
  EXPECT_EQ(Value(StoredAnswer::Parse(seen.dump(-1, ' ', /*ensure_ascii=*/true))), answer);
  EXPECT_EQ(WithHeaders("[['a','\\u20ac']]"),
            "headers: a value must be of bytes, written as U+0000..U+00FF");
  EXPECT_EQ(WithHeaders("[['a','\\ud800']]"),
            "headers: a value must be of bytes, written as U+0000..U+00FF");
}

TEST(StoredAnswer, IsReadHoweverItsJsonIsWritten) {
  EXPECT_EQ(Value(StoredAnswer::Parse(
                Quoted(" { 'body_base64' : '\\/\\/8=', 'headers' : [ [ 'a' , '\\u0062' ] ] ,\n"
                       "'st\\u0061tus' : 404 } "))),
            (StoredAnswer{.status = 404, .headers = {{"a", "b"}}, .body = "\xFF\xFF"}));
}

TEST(StoredAnswer, HasEachOfItsFieldsOnceAndNoOthers) {
  EXPECT_EQ(WithHeaders("[]"), "fine");
  EXPECT_EQ(Verdict("{'headers':[],'body_base64':''}"), "status: is required");
  EXPECT_EQ(Verdict("{'status':200,'body_base64':''}"), "headers: is required");
  EXPECT_EQ(Verdict("{'status':200,'headers':[]}"),
            "body_base64: is required, or \"body_omitted\"");
  EXPECT_EQ(Verdict("{'status':200,'headers':[],'body_base64':'','body':'x'}"),
            "body: unknown field");
  for (const char* field : {"'status':200", "'headers':[]", "'body_base64':''"}) {
    const std::string twice =
        Verdict("{'status':200,'headers':[],'body_base64':''," + std::string(field) + "}");
    EXPECT_TRUE(twice.ends_with(": given twice")) << twice;
  }
  EXPECT_EQ(Verdict("{'status':200,'headers':[],'body_base64':'','body_omitted':true}"),
            "body_omitted: does not go with a body");
  EXPECT_EQ(Verdict("{'status':200,'headers':[],'body_omitted':false}"),
            "body_omitted: must be true, or left out");
  EXPECT_EQ(Verdict("{'status':200,'consumed':1}"), "consumed: must be true, or left out");
  for (const char* more : {"'headers':[]", "'body_base64':''", "'body_omitted':true"}) {
    EXPECT_EQ(Verdict("{'status':200,'consumed':true," + std::string(more) + "}"),
              "consumed: goes with the status alone");
  }
}

TEST(StoredAnswer, HasTheStatusOfALastWord) {
  const auto status = [](const std::string& number) {
    return Verdict("{'status':" + number + ",'headers':[],'body_base64':''}");
  };
  EXPECT_EQ(status("200"), "fine");
  EXPECT_EQ(status("599"), "fine");
  for (const char* bad : {"199", "600", "0", "-200", "200.0", "2e2", "\"200\"", "null", "[200]",
                          "99999999999999999999"}) {
    EXPECT_EQ(status(bad), "status: must be an integer from 200 to 599") << bad;
  }
}

TEST(StoredAnswer, HasHeadersThatCanBeWritten) {
  EXPECT_EQ(WithHeaders("[['!#$%&*+-.^_`|~aZ09','']]"), "fine");
  for (const char* name : {"", "a b", "a:", "\\u0000", "a\\r", "\\u00e9", "(x)", "a/b"}) {
    EXPECT_EQ(WithHeaders("[['" + std::string(name) + "','x']]"),
              "headers: a name must be a token (RFC 9110, 5.6.2)")
        << name;
  }
  for (const char* value :
       {"\\r", "\\n", "a\\r\\nset-cookie: x", "\\u0000", "\\u001f", "\\u007f"}) {
    EXPECT_EQ(WithHeaders("[['a','" + std::string(value) + "']]"),
              "headers: a value has a control character")
        << value;
  }
  for (const char* shape : {"{}", "null", "'a'", "['a','b']", "[['a']]", "[['a','b','c']]",
                            "[['a',1]]", "[[['a'],'b']]", "[{}]", "[[]]"}) {
    EXPECT_EQ(WithHeaders(shape), "headers: must be an array of [name, value]") << shape;
  }
}

// An answer by hand must not say how long it is, nor speak for the connection, nor log anybody in.
TEST(StoredAnswer, HasNoHeaderThatIsNotForAnyAnswer) {
  for (const char* name : {"Content-Length", "transfer-encoding", "CONNECTION", "Keep-Alive", "TE",
                           "Trailer", "Upgrade", "Date", "Set-Cookie", "WWW-Authenticate"}) {
    EXPECT_EQ(WithHeaders("[['" + std::string(name) + "','x']]"),
              "headers: \"" + std::string(name) + "\" is not kept with an answer");
  }
  EXPECT_EQ(WithHeaders("[['Content-Lengths','x'],['Dat','x']]"), "fine");
}

TEST(StoredAnswer, HasABodyThatIsWrittenInOneWayOnly) {
  for (const char* good : {"", "QQ==", "QUI=", "QUJD", "+/+/"}) {
    EXPECT_EQ(WithBody(good), "fine") << good;
  }
  for (const char* bad : {"Q", "QQ", "QQ=", "QQ===", "QUI", "QUJDQ", "====", "Q===", "QQ==QQ==",
                          "QR==", "QUJ=", "Q Q=", "QQ==\\n", "-_-_", "QU\\u00e9=", "=QUJ"}) {
    EXPECT_EQ(WithBody(bad), "body_base64: must be base64 (RFC 4648), with padding") << bad;
  }
  EXPECT_EQ(Verdict("{'status':200,'headers':[],'body_base64':null}"),
            "body_base64: must be base64 (RFC 4648), with padding");
}

TEST(StoredAnswer, IsAnObjectAndNothingAfterIt) {
  for (const char* text : {"", "[]", "null", "{'status':200,", "{'status':200,'consumed':true}x",
                           "{'status':200,'headers':[['a','b'],", "{'status':200,'headers':[['a',",
                           "{'status':200,'headers':[['a','b'", "{'status'"}) {
    EXPECT_TRUE(Verdict(text).starts_with("stored answer: ")) << Verdict(text);
  }
}

}  // namespace
}  // namespace onced
