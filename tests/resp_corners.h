// SPDX-License-Identifier: MIT
// What a RESP port may be sent that is not the usual: each is to be taken or refused as Redis does,
// however it is cut.
#pragma once

#include <string>
#include <vector>

namespace onced {

inline const std::vector<std::string>& RespCorners() {
  using namespace std::string_literals;
  static const std::vector<std::string> kCorners = {
      "\r\n"s,
      "\n"s,
      "\r\n\r\nPING\r\n"s,
      "PING\nPING\r\n"s,
      "  PING   \r\n"s,
      "*0\r\nPING\r\n"s,
      "*-1\r\nPING\r\n"s,
      "*-10\r\nPING\r\n"s,
      "*3000000000\r\nPING\r\n"s,
      "*2147483647\r\n"s,
      "*1048577\r\n$4\r\nPING\r\n"s,
      "*\r\nPING\r\n"s,
      "* 1\r\n$4\r\nPING\r\n"s,
      "*1 \r\n$4\r\nPING\r\n"s,
      "*01\r\n$4\r\nPING\r\n"s,
      "*1\n$4\nPING\n"s,
      "*1\r\n$04\r\nPING\r\n"s,
      "*1\r\n$-1\r\n"s,
      "*1\r\n$-10\r\n"s,
      "*2\r\n$4\r\nECHO\r\n$-1\r\n"s,
      "*1\r\n$2000000000\r\n"s,
      "*1\r\n$536870913\r\n"s,
      "*1\r\n$blabla\r\n"s,
      "*1\r\n$\r\n"s,
      "*1\r\n$0\r\n\r\nPING\r\n"s,
      "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"s,
      "+5\r\n"s,
      "-ERR x\r\n"s,
      ":5\r\n"s,
      "$4\r\nPING\r\n"s,
      "%1\r\n$4\r\nPING\r\n$1\r\nx\r\n"s,
      "*1\r\nfoo\r\n"s,
      "*1\r\n+PING\r\n"s,
      "*1\r\n*1\r\n$4\r\nPING\r\n"s,
      "*1\r\n$4\r\nPING"s,
      "*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n"s,
      "*1\r\n$4\r\nPI\r\n"s,
      "\0\r\n"s,
      "*\0\r\n"s,
      "*1\r\n$\0\r\n"s,
      "*1\0\r\n$4\r\nPING\r\n"s,
      "PI\0NG\r\n"s,
      "\"PING\r\n"s,
      "ECHO \"a\r\n"s,
      "ECHO 'a\r\n"s,
      "ECHO \"a\"b\r\n"s,
      "ECHO \"a\" \"\\x41\\x4g\\n\\t\\q\"\r\n"s,
      "ECHO \"\\x41\\n\\q\"\r\n"s,
      "ECHO 'a\\'b\\n'\r\n"s,
      "ECHO a\"b c\"\r\n"s,
      "\v\fECHO a\vb\f\r\n"s,
      "ECHO \"a\"\v\r\n"s,
      "*3\r\n$3\r\nSET\r\n$4\r\nk\r\n\0\r\n$4\r\n\0\r\nv\r\n*2\r\n$3\r\nGET\r\n$4\r\nk\r\n\0\r\n"s,
      "*2\r\n$5\r\nHELLO\r\n$1\r\n9\r\nPING\r\n"s,
      "*2\r\n$5\r\nHELLO\r\n$3\r\nabc\r\nPING\r\n"s,
      "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$1\r\na\r\n$1\r\nb\r\nPING\r\n"s,
      "PING\r\nAUTH x\r\nPING\r\nAUTH x y\r\nPING\r\n"s,
      "PING\r\nQUIT\r\nPING\r\n"s,
      "POST / HTTP/1.1\r\nHost: a\r\n\r\nSET k v\r\n"s,
      "GET / HTTP/1.1\r\nHost: a\r\n\r\nSET k v\r\n"s,
      "PING\r\nhost: a\r\nPING\r\n"s,
      std::string(65'000, 'x') + "\r\n",
      std::string(200'000, 'x') + "\r\nPING\r\n",
      "*" + std::string(200'000, '1') + "\r\n",
      "*1\r\n$" + std::string(200'000, '1') + "\r\n",
  };
  return kCorners;
}

}  // namespace onced
