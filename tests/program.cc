// SPDX-License-Identifier: MIT
#include "tests/program.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace onced {
namespace {

using std::chrono::steady_clock;

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// The head of an answer, strictly: a status line and `Name: value` lines.
bool ParseHead(std::string_view head, HttpAnswer* answer) {
  bool first = true;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    if (end == std::string_view::npos) return false;
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (first) {
      if (!line.starts_with("HTTP/1.1 ") || line.size() < 12) return false;
      std::from_chars(line.data() + 9, line.data() + 12, answer->status);
    } else {
      const size_t colon = line.find(": ");
      if (colon == std::string_view::npos) return false;
      answer->headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
    first = false;
  }
  return answer->status >= 100;
}

}  // namespace

std::string HttpAnswer::Header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (SameName(known, name)) return value;
  }
  return "";
}

std::string HttpAnswer::Field(const std::string& pointer) const {
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  const nlohmann::json::json_pointer at(pointer);
  if (json.is_discarded() || !json.contains(at)) return "";
  const nlohmann::json& value = json.at(at);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

size_t HttpAnswer::Count(const std::string& pointer) const {
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  const nlohmann::json::json_pointer at(pointer);
  return json.is_discarded() || !json.contains(at) ? 0 : json.at(at).size();
}

void PrintTo(const HttpAnswer& answer, std::ostream* out) {
  *out << answer.status << " " << answer.body.substr(0, 300);
}

std::string RequestText(std::string_view method, std::string_view target, std::string_view body,
                        const Headers& headers) {
  std::string text(method);
  text.append(" ").append(target).append(" HTTP/1.1\r\n");
  const bool has_host = std::any_of(headers.begin(), headers.end(),
                                    [](const auto& header) { return header.first == "Host"; });
  if (!has_host) text.append("Host: 127.0.0.1\r\n");
  for (const auto& [name, value] : headers) {
    text.append(name).append(": ").append(value).append("\r\n");
  }
  if (!body.empty() || method == "POST") {
    text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  return text.append("\r\n").append(body);
}

std::string Json(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  return text;
}

Client::Client(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = Loopback(port);
  const int yes = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

Client::~Client() {
  if (fd_ >= 0) close(fd_);
}

Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_), in_(std::move(other.in_)) {}

Client& Client::operator=(Client&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(connected_, other.connected_);
  std::swap(in_, other.in_);
  return *this;
}

bool Client::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;  // what the other side had to say can still be read
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool Client::HasInput() const {
  pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
  return poll(&wanted, 1, 0) > 0;
}

bool Client::WaitForInput(steady_clock::time_point until) const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
  pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
  return poll(&wanted, 1, static_cast<int>(std::max<int64_t>(0, left.count()))) > 0;
}

bool Client::ReadSome(steady_clock::time_point until) {
  if (!WaitForInput(until)) {
    errno = EAGAIN;
    return false;
  }
  char buffer[16 * 1024];
  errno = 0;
  const ssize_t size = recv(fd_, buffer, sizeof buffer, 0);
  if (size <= 0) return false;
  in_.append(buffer, static_cast<size_t>(size));
  return true;
}

HttpAnswer Client::Failed(const std::string& why) const {
  const char* how = errno == EAGAIN ? "it did not come in time" : "the connection ended";
  return {.status = 0, .headers = {}, .body = why + ": " + how + ", after: " + in_.substr(0, 300)};
}

HttpAnswer Client::Receive(std::chrono::milliseconds patience, bool of_head) {
  const auto until = steady_clock::now() + patience;
  size_t end = std::string::npos;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadSome(until)) return Failed("the head of an answer");
  }
  HttpAnswer answer;
  if (!ParseHead(std::string_view(in_).substr(0, end + 2), &answer)) {
    return {.status = 0, .headers = {}, .body = "a malformed head: " + in_.substr(0, end)};
  }
  if (answer.Header("Transfer-Encoding") == "chunked" && answer.Header("Content-Length").empty()) {
    in_.erase(0, end + 4);
    return of_head ? answer : ReceiveChunks(std::move(answer), until);
  }
  const bool unmeasured = answer.status < 200 || answer.status == 204;
  const bool bodiless = of_head || unmeasured || answer.status == 304;
  size_t length = 0;
  const std::string stated = answer.Header("Content-Length");
  std::from_chars(stated.data(), stated.data() + stated.size(), length);
  // RFC 9110 8.6: a 304 may say how long what it stands for is.
  if (stated.empty() != unmeasured && answer.status != 304) {
    return {.status = 0, .headers = {}, .body = "a wrong length: " + in_.substr(0, end)};
  }
  if (bodiless) length = 0;
  while (in_.size() < end + 4 + length) {
    if (!ReadSome(until)) return Failed("the body of an answer");
  }
  answer.body = in_.substr(end + 4, length);
  in_.erase(0, end + 4 + length);
  return answer;
}

HttpAnswer Client::ReceiveChunks(HttpAnswer answer, steady_clock::time_point until) {
  for (size_t size = 1; size > 0;) {
    size_t line = std::string::npos;
    while ((line = in_.find("\r\n")) == std::string::npos) {
      if (!ReadSome(until)) return Failed("a chunk's size, after " + answer.body.substr(0, 300));
    }
    const auto [end, error] = std::from_chars(in_.data(), in_.data() + line, size, 16);
    if (error != std::errc() || end != in_.data() + line) return Failed("a malformed chunk");
    while (in_.size() < line + 2 + size + 2) {
      if (!ReadSome(until)) return Failed("a chunk, after " + answer.body.substr(0, 300));
    }
    if (in_.compare(line + 2 + size, 2, "\r\n") != 0) return Failed("a chunk of another size");
    answer.body.append(in_, line + 2, size);
    in_.erase(0, line + 2 + size + 2);
  }
  return answer;
}

std::string Client::ReceiveSome(std::chrono::milliseconds patience) {
  if (in_.empty()) (void)ReadSome(steady_clock::now() + patience);
  return std::exchange(in_, {});
}

HttpAnswer Client::Ask(std::string_view method, std::string_view target, std::string_view body,
                       const Headers& headers) {
  Send(RequestText(method, target, body, headers));
  return Receive(kPatience, method == "HEAD");
}

bool Client::SeesEnd() {
  const bool more = ReadSome(steady_clock::now() + kPatience);
  return !more && errno == 0 && in_.empty();
}

void Client::FinishSending() { shutdown(fd_, SHUT_WR); }

void Client::HangUp() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(std::exchange(fd_, -1));
}

const char* ProgramPath() {
  const char* other = getenv("ONCED_PROGRAM");
  return other != nullptr ? other : ONCED_PROGRAM;
}

uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

namespace {

// A sanitizer's report is a failure, whatever the program went on to do.
void ExpectNoAlarm(const std::string& said) {
  for (const char* alarm : {"WARNING: ThreadSanitizer", "ERROR: AddressSanitizer",
                            "ERROR: LeakSanitizer", "runtime error: "}) {
    const size_t at = said.find(alarm);
    if (at != std::string::npos) ADD_FAILURE() << said.substr(at, 4'000);
  }
}

}  // namespace

namespace {

std::vector<std::string> (*flags_for_folder)(const std::string& data) = nullptr;

std::vector<std::string> WithoutThoseOfFolders(const std::vector<std::string>& flags) {
  std::vector<std::string> left;
  for (size_t i = 0; i < flags.size(); ++i) {
    if (flags[i] == "--durability" || flags[i] == "--sync-interval" || flags[i] == "--footprint") {
      ++i;  // and its value
    } else {
      left.push_back(flags[i]);
    }
  }
  return left;
}

}  // namespace

void KeepFoldersElsewhere(std::vector<std::string> (*flags_for)(const std::string& data)) {
  flags_for_folder = flags_for;
}
bool KeepsFoldersElsewhere() { return flags_for_folder != nullptr; }

Program::Program() = default;

Program::Program(const std::string& data, const std::vector<std::string>& flags,
                 const std::string& folder, size_t files_max) {
  std::vector<std::string> args = {"serve", "--http", "127.0.0.1:0"};
  // What it says is read here by its words.
  if (std::find(flags.begin(), flags.end(), "--log-format") == flags.end()) {
    args.insert(args.end(), {"--log-format", "text"});
  }
  if (data.empty() || flags_for_folder == nullptr) {
    if (!data.empty()) args.insert(args.end(), {"--data", data});
    args.insert(args.end(), flags.begin(), flags.end());
  } else {
    const std::vector<std::string> store = flags_for_folder(data);
    const std::vector<std::string> others = WithoutThoseOfFolders(flags);
    args.insert(args.end(), store.begin(), store.end());
    args.insert(args.end(), others.begin(), others.end());
  }
  Start(args, folder, files_max);
  const bool tls = std::find(flags.begin(), flags.end(), "--tls-cert") != flags.end();
  const std::string url =
      tls ? "  API        https://127.0.0.1:" : "  API        http://127.0.0.1:";
  int ended = 0;
  const bool up = Eventually([&] {
    const std::string said = Said();
    if (said.find("\"event\":\"ready\"") != std::string::npos) {
      port_ = ListeningPort("http");
      return true;
    }
    const size_t at = said.find(url);
    // The whole banner: its last line is the one to try.
    if (at != std::string::npos && said.ends_with("/v1/claim\n")) {
      std::from_chars(said.data() + at + url.size(), said.data() + said.size(), port_);
      return true;
    }
    if (waitpid(pid_, &ended, WNOHANG) != pid_) return false;
    pid_ = -1;
    return true;
  });
  if (!up || port_ == 0) throw std::runtime_error("onced did not start: " + Said());
}

void Program::Start(const std::vector<std::string>& args, const std::string& folder,
                    size_t files_max) {
  std::vector<char*> argv = {const_cast<char*>(ProgramPath())};
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const std::string out = output_.path("out");
  const std::string err = output_.path("err");
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit files{.rlim_cur = files_max, .rlim_max = files_max};
  if (files_max > 0 && setrlimit(RLIMIT_NOFILE, &files) != 0) _exit(127);
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  if (dup2(open(out.c_str(), flags, 0600), STDOUT_FILENO) < 0 ||
      dup2(open(err.c_str(), flags, 0600), STDERR_FILENO) < 0 || chdir(folder.c_str()) != 0) {
    _exit(127);
  }
  execv(argv[0], argv.data());
  _exit(127);
}

Program::~Program() { Kill(); }

Ended Program::Run(const std::vector<std::string>& args, const std::string& folder) {
  Program program;
  program.Start(args, folder);
  return program.WaitForEnd();
}

HttpAnswer Program::Ask(std::string_view method, std::string_view target, std::string_view body,
                        const Headers& headers) const {
  return Connect().Ask(method, target, body, headers);
}

uint16_t Program::ListeningPort(const std::string& component) const {
  const std::string said = Said();
  const std::string line = "\"component\":\"" + component + "\",\"event\":\"listening\"";
  const std::string host = "127.0.0.1:";
  const size_t at = said.find(host, std::min(said.find(line), said.size()));
  uint16_t port = 0;
  if (at == std::string::npos) return port;
  std::from_chars(said.data() + at + host.size(), said.data() + said.size(), port);
  return port;
}

std::string Program::Said() const { return ReadFile(output_.path("err")); }

void Program::Signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

Ended Program::WaitForEnd() {
  int how = 0;
  const bool ended = Eventually([&] { return waitpid(pid_, &how, WNOHANG) == pid_; });
  if (!ended) throw std::runtime_error("onced did not end: " + Said());
  pid_ = -1;
  ExpectNoAlarm(Said());
  return {.code = WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how),
          .out = ReadFile(output_.path("out")),
          .err = Said()};
}

Ended Program::Stop() {
  Signal(SIGTERM);
  return WaitForEnd();
}

void Program::Kill() {
  if (pid_ <= 0) return;
  int how = 0;
  if (waitpid(pid_, &how, WNOHANG) == pid_) {
    pid_ = -1;
    ADD_FAILURE() << "onced had ended by itself, with " << how << ": " << Said();
    return;
  }
  ExpectNoAlarm(Said());
  Signal(SIGKILL);
  waitpid(std::exchange(pid_, -1), nullptr, 0);
}

std::string OncedInAFolder::Claim(const std::string& key, const std::string& more) const {
  const HttpAnswer won =
      Post("/v1/claim", "{'key':'" + key + "'" + (more.empty() ? "" : "," + more) + "}");
  EXPECT_EQ(won.status, 201) << won.body;
  return won.Field("/fence");
}

HttpAnswer OncedInAFolder::Complete(const std::string& key, const std::string& fence,
                                    const std::string& result) const {
  return program.Ask("POST", "/v1/complete",
                     Json("{'key':'" + key + "','fence':'" + fence + "','result':") + result + "}");
}

bool OncedInAFolder::Waiting(size_t count) const {
  return Eventually([&] { return Get("/v1/status").Field("/waiters") == std::to_string(count); });
}

namespace {

// "" when `answer` is the problem it should be.
std::string FaultOfProblem(const HttpAnswer& answer, int status, const std::string& code) {
  const auto wants = [&](const std::string& what, const std::string& is, const std::string& want) {
    return is == want ? "" : what + " is \"" + is + "\" and not \"" + want + "\"; ";
  };
  std::string fault =
      wants("status", std::to_string(answer.status), std::to_string(status)) +
      wants("Content-Type", answer.Header("Content-Type"), "application/problem+json") +
      wants("Content-Language", answer.Header("Content-Language"), "en") +
      wants("Retry-After", answer.Header("Retry-After"), answer.Field("/retry_after")) +
      wants("code", answer.Field("/code"), code) +
      wants("type", answer.Field("/type"), "/problems/" + code) +
      wants("body's status", answer.Field("/status"), std::to_string(status));
  for (const char* name : {"/title", "/detail"}) {
    if (answer.Field(name).empty()) fault += std::string("no ") + name + "; ";
  }
  const std::string retryable = answer.Field("/retryable");
  if (retryable != "true" && retryable != "false") fault += "no /retryable; ";
  const std::string key_action = answer.Field("/key_action");
  if (key_action != "reuse" && key_action != "rotate") fault += "no /key_action; ";
  return fault;
}

}  // namespace

void ExpectProblem(const HttpAnswer& answer, int status, const std::string& code, const char* file,
                   int line) {
  const std::string fault = FaultOfProblem(answer, status, code);
  if (!fault.empty()) ADD_FAILURE_AT(file, line) << fault << answer.body.substr(0, 300);
}

void ExpectRefusal(const HttpAnswer& answer, int status, const std::string& code,
                   const std::string& field, const char* file, int line) {
  ExpectProblem(answer, status, code, file, line);
  const std::string detail = answer.Field("/detail");
  if (detail.starts_with(field + ":") || detail.starts_with(field + " ")) return;
  ADD_FAILURE_AT(file, line) << "\"" << detail << "\" does not begin with \"" << field << "\"";
}

}  // namespace onced
