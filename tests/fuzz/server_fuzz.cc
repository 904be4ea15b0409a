// SPDX-License-Identifier: MIT
// Any bytes at all, sent to a whole server over a socket: every request that is framed in them gets
// one well-formed answer, in order; a refusal is the last one; then the connection ends.
//
// The server is the real one, from listener to store, in this process; its clock stands still.
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/wire/request_parser.h"
#include "tests/door_in_process.h"
#include "tests/fuzz/answer_text.h"
#include "tests/fuzz/promise.h"
#include "tests/fuzz/stranger.h"

namespace onced {
namespace {

// `text` with each `mark` and two hexadecimal digits as the byte that they mean.
std::string Unescaped(std::string text, std::string_view mark) {
  for (size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) {
    const char* const digits = text.data() + at + mark.size();
    if (at + mark.size() + 2 > text.size()) break;
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
    if (error != std::errc() || end != digits + 2) continue;
    text.replace(at, mark.size() + 2, 1, static_cast<char>(byte));
  }
  return text;
}

bool AsksToWait(const wire::Request& request) {
  return Unescaped(request.target, "%").find("wait_ms") != std::string::npos ||
         Unescaped(request.body, "\\u00").find("wait_ms") != std::string::npos;
}

// What the server must make of the bytes, by the parser's own word.
struct Expected {
  std::vector<std::string> methods;  // one a request that is answered
  std::string refusal;               // the code of the answer after those
  bool may_park = false;             // a client that has finished sending does not wait
  bool may_continue = false;
};

Expected Expect(std::string_view bytes) {
  Expected expected;
  for (bool more = true; more && !bytes.empty();) {
    wire::RequestParser parser{wire::RequestLimits{}};
    size_t consumed = 0;
    const auto progress = parser.Feed(bytes, &consumed);
    expected.may_continue |= parser.head_done() && parser.expects_continue();
    more = progress == wire::RequestParser::Progress::kComplete;
    if (progress == wire::RequestParser::Progress::kRefused) {
      expected.refusal = parser.refusal().code;
    }
    if (!more) break;
    bytes.remove_prefix(consumed);
    const wire::Request request = parser.TakeRequest();
    expected.methods.push_back(request.method);
    expected.may_park |= AsksToWait(request);
    more = request.keep_alive;
  }
  return expected;
}

std::string Exchanged(uint16_t port, std::string_view bytes) {
  Stranger stranger(port);
  stranger.Send(bytes);
  stranger.FinishSending();
  stranger.ReadToEnd();
  Promise(!stranger.was_reset(), "it ends in good order", stranger.seen());
  return stranger.seen();
}

void CheckAnswers(const Expected& expected, std::string_view seen) {
  size_t answers = 0;
  bool refused = false, closed = false;
  for (AnswerText text(seen); !text.empty();) {
    Promise(!closed, "nothing follows a last answer", text.Begin());
    const AnswerHead head = text.TakeHead();
    Promise(head.length.has_value() == (head.status >= 200 && head.status != 204),
            "an answer has a length", std::to_string(head.status));
    if (head.status == 100) {
      Promise(expected.may_continue, "only who expects it is told to go on");
      continue;
    }
    const bool is_refusal = answers == expected.methods.size();
    Promise(!is_refusal || !expected.refusal.empty(), "nobody is answered who did not ask");
    const bool of_head = !is_refusal && expected.methods[answers] == "HEAD";
    const auto [body, whole] = text.TakeBytes(of_head ? 0 : head.length.value_or(0));
    Promise(whole, "an answer is whole", body);
    Promise(head.problem == (head.status >= 400), "a refusal is a problem, and only that", body);
    Promise(head.status != 500, "nothing fails inside", body);
    closed = head.close;
    if (is_refusal) {
      Promise(body.find("\"code\":\"" + expected.refusal + "\"") != body.npos, "it has its code",
              body);
      Promise(closed, "a refusal is the last answer");
      refused = true;
    } else {
      ++answers;
    }
  }
  if (expected.may_park) return;
  Promise(answers == expected.methods.size(), "everyone is answered",
          std::to_string(answers) + " of " + std::to_string(expected.methods.size()));
  Promise(refused == !expected.refusal.empty(), "who is refused is told", expected.refusal);
}

}  // namespace
}  // namespace onced

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static onced::DoorInProcess server(
      [](onced::LogEvent, const std::string& fault) { onced::Promise(false, "no fault", fault); });
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  onced::CheckAnswers(onced::Expect(bytes), onced::Exchanged(server.listener->port(), bytes));
  server.here.clock.Advance(10);
  return 0;
}
