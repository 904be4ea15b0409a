// SPDX-License-Identifier: MIT
// Origin: a host and a port, or a socket, and nothing that could end up in a request.
#include "server/gateway/origin.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/fixtures.h"

namespace onced {
namespace {

TEST(Origin, IsAHostAndAPort) {
  for (const char* url : {"http://127.0.0.1:3000", "https://api.example.com", "http://[::1]:80",
                          "http://[fe80::1]", "https://a-b_c.d:65535", "http://localhost:1"}) {
    const Origin origin = Value(Origin::Parse(url));
    EXPECT_EQ(url, origin.url);
    EXPECT_EQ(std::string(url).substr(std::string(url).find("//") + 2), origin.authority);
    EXPECT_EQ("", origin.unix_socket);
  }
}

TEST(Origin, IsASocket) {
  const Origin origin = Value(Origin::Parse("unix:/run/app.sock"));
  EXPECT_EQ("/run/app.sock", origin.unix_socket);
  EXPECT_EQ("localhost", origin.authority);
}

TEST(Origin, TellsALinkLocalAddressHoweverItIsWritten) {
  for (const char* url : {"http://169.254.169.254", "http://169.254.0.1:80", "http://2851995649",
                          "http://0xa9.254.1:8080", "https://[fe80::1]:443",
                          "http://[::ffff:169.254.169.254]", "http://[fd00:ec2::254]"}) {
    EXPECT_TRUE(Origin::Parse(url)->IsWrittenLinkLocal()) << url;
  }
  for (const char* url : {"http://169.255.0.1", "http://127.0.0.1:80", "http://a", "http://[::1]",
                          "http://[fd00::1]:1", "unix:/run/169.254.169.254"}) {
    EXPECT_FALSE(Origin::Parse(url)->IsWrittenLinkLocal()) << url;
  }
}

TEST(Origin, IsNothingElse) {
  for (const std::string& url : {std::string(""),
                                 std::string("127.0.0.1:3000"),
                                 std::string("ftp://a"),
                                 std::string("http://"),
                                 std::string("http:///a"),
                                 std::string("http://a/"),
                                 std::string("http://a/b"),
                                 std::string("http://a?b"),
                                 std::string("http://a#b"),
                                 std::string("http://u@a"),
                                 std::string("http://u:p@a"),
                                 std::string("http://a:"),
                                 std::string("http://a:0"),
                                 std::string("http://a:65536"),
                                 std::string("http://a:1x"),
                                 std::string("http://a:+1"),
                                 std::string("http://a:1:2"),
                                 std::string("http://::1"),
                                 std::string("http://[::1"),
                                 std::string("http://[::1]x"),
                                 std::string("http://[]"),
                                 std::string("http://[a]"),
                                 std::string("http://[::1%25lo]"),
                                 std::string("http://a b"),
                                 std::string("http://a\r\nb"),
                                 std::string("http://a\0b", 10),
                                 std::string("http://a%41"),
                                 std::string("HTTP://a"),
                                 std::string("unix:"),
                                 std::string("unix:run"),
                                 "unix:/" + std::string(107, 'x')}) {
    const Result<Origin> origin = Origin::Parse(url);
    EXPECT_EQ(Fault::kInvalidArgument, FaultOf(origin)) << url;
  }
}

}  // namespace
}  // namespace onced
