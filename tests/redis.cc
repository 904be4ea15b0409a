// SPDX-License-Identifier: MIT
#include "tests/redis.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "server/redis/resp_parser.h"

namespace onced {
namespace {

constexpr char kRedisServer[] = "/usr/bin/redis-server";

}  // namespace

std::string FieldOf(const std::string& reply, const std::string& name) {
  const size_t at = reply.find("\r\n" + name + "\r\n");
  if (at == std::string::npos) return "(no " + name + " in " + Shown(reply) + ")";
  const std::string_view rest = std::string_view(reply).substr(at + name.size() + 4);
  const std::string value(rest.substr(0, std::max<size_t>(ReplySize(rest), 2) - 2));
  return value.starts_with('$') ? value.substr(value.find("\r\n") + 2) : value;
}

uint16_t RedisPortOf(const Program& program) {
  const std::string said = program.Said();
  const std::string words = "  redis      127.0.0.1:";
  const size_t at = said.find(words);
  uint16_t port = 0;
  if (at == std::string::npos) return program.ListeningPort("redis");
  std::from_chars(said.data() + at + words.size(), said.data() + said.size(), port);
  return port;
}

std::string Resp(const Words& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return bytes;
}

size_t ReplySize(std::string_view bytes) {
  size_t at = 0;
  for (int64_t left = 1; left > 0; --left) {
    const size_t end = bytes.find("\r\n", at);
    if (end == bytes.npos) return 0;
    const char type = bytes[at];
    int64_t number = 0;
    std::from_chars(bytes.data() + at + 1, bytes.data() + end, number);
    at = end + 2;
    if (type == '$' || type == '=') {
      if (number < 0) continue;
      at += static_cast<size_t>(number) + 2;
      if (at > bytes.size()) return 0;
    } else if (type == '*' || type == '~' || type == '>') {
      left += std::max<int64_t>(number, 0);
    } else if (type == '%') {
      left += number * 2;
    }
  }
  return at;
}

std::string Shown(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes.substr(0, 400)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out.append("\\x") += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return bytes.size() > 400 ? out + "..." : out;
}

std::string RespClient::Receive() {
  size_t size = 0;
  while ((size = ReplySize(in_)) == 0) {
    const std::string more = client_.ReceiveSome();
    if (more.empty()) return "(no reply) " + std::exchange(in_, {});
    in_ += more;
  }
  std::string reply = in_.substr(0, size);
  in_.erase(0, size);
  return reply;
}

std::string RespClient::Ask(const Words& words) {
  return Send(words) ? Receive() : "(could not be sent)";
}

std::string RespClient::Ask(const std::string& line) {
  Words words;
  if (!redis::SplitArguments(line, &words)) return "(unbalanced quotes)";
  return Ask(words);
}

RedisInAFolder::RedisInAFolder(const Words& more) : flags({"--redis", "127.0.0.1:0"}) {
  flags.insert(flags.end(), more.begin(), more.end());
  program = std::make_unique<Program>(folder.path(), flags);
  port = RedisPortOf(*program);
  if (port == 0) throw std::runtime_error("no Redis door: " + program->Said());
}

void RedisInAFolder::Crash() {
  program->Kill();
  StartAgain();
}

void RedisInAFolder::StartAgain() {
  program = std::make_unique<Program>(folder.path(), flags);
  port = RedisPortOf(*program);
}

bool RedisServer::IsInstalled() { return access(kRedisServer, X_OK) == 0; }

RedisServer::RedisServer() : port_(FreePort()) {
  const std::string port = std::to_string(port_);
  const std::string dir = folder_.path();
  std::filesystem::create_directories(dir);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) dup2(null, fd);
    execl(kRedisServer, kRedisServer, "--port", port.c_str(), "--bind", "127.0.0.1", "--save", "",
          "--appendonly", "no", "--dir", dir.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (RespClient(port_).Ask("PING") != "+PONG\r\n") {
    if (std::chrono::steady_clock::now() > until) throw std::runtime_error("no redis-server");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // real time: it comes up
  }
}

RedisServer::~RedisServer() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

}  // namespace onced
