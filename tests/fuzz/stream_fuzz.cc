// SPDX-License-Identifier: MIT
// Any bytes at all, sent to a listener that passes every body on while it comes: every whole
// request is answered in order, with exactly its body; one whose body breaks off, or is badly
// framed, never gets what looks like a whole answer; a refusal is the last answer; the connection
// always ends, and nothing of it is left.
//
// What a target says is what its handler does, see Serve(). A first byte beyond ASCII says how the
// rest is sent, see Manner, and is not sent itself.
#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/wire/request_parser.h"
#include "tests/fuzz/answer_text.h"
#include "tests/fuzz/promise.h"
#include "tests/fuzz/stranger.h"
#include "tests/streaming.h"

namespace onced {
namespace {

using Progress = wire::RequestParser::Progress;

// The words of a target. One that begins with /blocks is asked on the pool, see OptionsFor.
constexpr std::string_view kEarly = "early";      // is answered without a look at its body
constexpr std::string_view kParks = "parks";      // is asked twice
constexpr std::string_view kBreaks = "breaks";    // its answer has broken off before it begins
constexpr std::string_view kUnsized = "unsized";  // the answer's length is not told beforehand

// Of the answer that breaks: what there is of it, and its length where that is told.
constexpr std::string_view kHalf = "half";
constexpr uint64_t kPromised = 2;  // less, so that not a byte can be passed on

bool Says(const std::string& target, std::string_view word) {
  return target.find(word) != std::string::npos;
}

// How the bytes are sent.
struct Manner {
  explicit Manner(unsigned bits)
      : pieces(1 + bits % 8),
        apart(bits & 8),
        narrow(bits & 16),
        goes(bits & 32),
        stays(bits & 64) {}
  size_t pieces;
  bool apart;   // one is read before the next comes
  bool narrow;  // pipes have next to no room
  bool goes;    // the client does, without reading
  bool stays;   // it lets the server end the connection, after one request more
};

// A byte that stands for many, so that a short input can have a body longer than any buffer.
constexpr char kMany = '\x7F';
std::string Spread(std::string_view bytes, size_t most) {
  std::string all;
  for (const char byte : bytes) {
    const bool many = byte == kMany && most > 0;
    most -= many ? 1 : 0;
    all.append(many ? 16 * 1024 : 1, many ? 'x' : byte);
  }
  return all;
}

// One request, by the parser's own word.
struct Asked {
  enum class Fate { kWhole, kBrokenOff, kRefused };
  Fate fate = Fate::kWhole;
  std::string refusal;  // its code
  wire::Request head;
  bool streamed = false;
  std::string body;  // what there is of it

  bool is_last() const { return fate != Fate::kWhole || !head.keep_alive; }
  bool parks() const { return streamed && Says(head.target, kParks); }
  bool breaks() const { return Says(head.target, kBreaks); }
};

std::vector<Asked> Expect(std::string_view bytes) {
  std::vector<Asked> all;
  while (!bytes.empty() && (all.empty() || !all.back().is_last())) {
    Asked one;
    wire::RequestParser parser(wire::RequestLimits{}, /*stops_at_head=*/true);
    size_t consumed = 0;
    Progress progress = parser.Feed(bytes, &consumed);
    bytes.remove_prefix(consumed);
    one.streamed = progress == Progress::kNeedsMore && parser.at_head();
    if (progress == Progress::kNeedsMore && !one.streamed) break;  // less than a head
    if (progress != Progress::kRefused) one.head = parser.TakeRequest();
    if (one.streamed) {
      parser.StreamBody([&](std::string_view part) { one.body += part; });
      progress = parser.Feed(bytes, &consumed);
      bytes.remove_prefix(consumed);
    }
    if (progress == Progress::kNeedsMore) one.fate = Asked::Fate::kBrokenOff;
    if (progress == Progress::kRefused) one.fate = Asked::Fate::kRefused;
    if (one.fate != Asked::Fate::kWhole) one.refusal = "invalid_request";
    if (progress == Progress::kRefused) one.refusal = parser.refusal().code;
    all.push_back(std::move(one));
  }
  return all;
}

void CheckRefusal(const Asked& asked, const AnswerHead& head, AnswerText* text) {
  const auto [body, whole] = text->TakeBytes(head.length.value_or(0));
  Promise(!asked.refusal.empty(), "nobody is refused without a reason", body);
  Promise(whole && head.problem && head.status != 500, "a refusal is one whole problem", body);
  Promise(body.find("\"code\":\"" + asked.refusal + "\"") != body.npos, "it has its code", body);
  Promise(head.close, "a refusal is the last answer", body);
}

// Of a request whose body is not passed on, or not looked at.
void CheckPlain(const Asked& asked, const AnswerHead& head, AnswerText* text) {
  const std::string expected = asked.streamed ? std::string(kEarly) : asked.head.target;
  Promise(head.length == expected.size(), "an answer has its length", text->Begin());
  if (asked.head.method == "HEAD") return;
  const auto [body, whole] = text->TakeBytes(expected.size());
  Promise(whole && body == expected, "an answer is its own", body);
}

void CheckStream(const Asked& asked, const AnswerHead& head, bool reset, AnswerText* text) {
  const int64_t length = asked.breaks() ? kPromised : asked.head.body_length;
  const std::string_view all = asked.breaks() ? kHalf : asked.body;
  const bool is_whole = asked.fate == Asked::Fate::kWhole && !asked.breaks();
  const bool sized = length >= 0 && !Says(asked.head.target, kUnsized);
  Promise(sized == head.length.has_value(), "a length that is known is told", text->Begin());
  if (sized) Promise(static_cast<int64_t>(*head.length) == length, "it is the body's");
  if (asked.head.method == "HEAD") return;
  const bool chunked = !sized && asked.head.minor_version == 1;
  Promise(chunked == head.chunked, "chunks are for who knows them", text->Begin());
  const bool framed = sized || chunked;
  AnswerBody body;
  if (framed) {
    body = sized ? text->TakeBytes(*head.length) : text->TakeChunks();
  } else {
    Promise(head.close, "an answer that ends with the connection is the last");
    body = {.bytes = text->TakeRest(), .whole = !reset};
  }
  Promise(all.starts_with(body.bytes), "a body comes as it was sent", body.bytes);
  Promise(body.whole == is_whole, "an answer is whole when its body was, and only then",
          body.bytes);
  Promise(!is_whole || body.bytes == all, "a whole answer has all of it", body.bytes);
}

// Checks what came for one request. True when nothing may follow it.
bool CheckAnswer(const Asked& asked, bool may_vanish, bool reset, AnswerText* text) {
  AnswerHead head = text->TakeHead();
  if (head.status == 100) {
    Promise(asked.streamed && asked.head.expects_continue, "only who expects it is told to go on");
    if (text->empty() && may_vanish) return true;
    head = text->TakeHead();
  }
  const bool is_whole = asked.fate == Asked::Fate::kWhole;
  if (head.status != 200) {
    CheckRefusal(asked, head, text);
    return true;
  }
  Promise(is_whole || asked.streamed, "what is refused is not answered", text->Begin());
  // The head is written while the body may still come.
  Promise(head.close || !asked.is_last(), "a last answer says so", text->Begin());
  Promise(!head.close || asked.is_last() || asked.streamed || asked.breaks(),
          "only a last answer says so");
  if (asked.breaks() || (asked.streamed && !Says(asked.head.target, kEarly))) {
    CheckStream(asked, head, reset, text);
  } else {
    CheckPlain(asked, head, text);
  }
  return head.close || (asked.breaks() && asked.head.method != "HEAD");
}

// `finished`: the client has finished sending. One that waits then is taken for one that has gone.
void CheckAnswers(const std::vector<Asked>& expected, bool finished, const std::string& seen,
                  bool reset) {
  AnswerText text(seen);
  Promise(!reset || std::any_of(expected.begin(), expected.end(),
                                [](const Asked& one) {
                                  return one.breaks() ||
                                         (one.streamed && one.fate != Asked::Fate::kWhole);
                                }),
          "it ends in good order when nothing has broken off", text.Begin());
  bool ended = false;
  for (const Asked& asked : expected) {
    if (ended) break;
    const bool may_vanish = finished && asked.parks();
    if (text.empty() && may_vanish) return;
    // A reset overtakes what the client has not been given yet.
    if (reset && !text.has_head()) return;
    Promise(!text.empty(), "everyone is answered", asked.head.target);
    ended = CheckAnswer(asked, may_vanish, reset, &text);
  }
  Promise(text.empty(), "nothing follows a last answer", text.Begin());
}

void Serve(const ServeFunction& echo, const ServeFunction& unsized, httplib::Response& response,
           wire::Exchange& exchange) {
  const std::string& target = exchange.request().target;
  if (exchange.body_pipe() != nullptr && Says(target, kParks) && exchange.kept == nullptr) {
    exchange.kept = std::make_unique<wire::Kept>();
    return exchange.Park(std::chrono::milliseconds(1));
  }
  if (Says(target, kBreaks)) {
    const std::shared_ptr<wire::Pipe> answer = NewPipe();
    answer->Write(kHalf);
    answer->Close(wire::Pipe::End::kBroken);
    response.status = 200;
    const bool sized = !Says(target, kUnsized);
    return exchange.StreamAnswer(answer, sized ? std::optional(kPromised) : std::nullopt);
  }
  if (exchange.body_pipe() != nullptr && Says(target, kEarly)) {
    response.status = 200;
    response.body = kEarly;
    return;
  }
  (Says(target, kUnsized) ? unsized : echo)(response, exchange);
}

struct Door {
  explicit Door(bool narrow) {
    const EchoTerms usual;
    EchoTerms terms{.room = narrow ? 8 : usual.room, .piece = narrow ? 60 : usual.piece};
    const ServeFunction echo = EchoStream(&mover, nullptr, terms);
    terms.tells_length = false;
    const ServeFunction unsized = EchoStream(&mover, nullptr, terms);
    wire::ListenerOptions options =
        StreamingOptions([echo, unsized](httplib::Response& response, wire::Exchange& exchange) {
          Serve(echo, unsized, response, exchange);
        });
    options.io_threads = 1;
    options.deadlines.idle = std::chrono::hours(24);  // for the bystander
    if (narrow) options.pipe_room = 8;
    listener = Listen(std::move(options));
    bystander = std::make_unique<Stranger>(listener->port());
    Settle();  // it counts once it has been read
  }

  // There is one I/O thread: what was sent before has been read when this returns.
  void Settle() {
    bystander->Send(Get("/settle"));
    bystander->ReadUpTo(1);
    bystander->TakeSeen();
  }

  Mover mover;
  std::unique_ptr<wire::Listener> listener;
  std::unique_ptr<Stranger> bystander;
};

// Whether the server must end the connection by itself.
bool EndsIt(const std::vector<Asked>& expected) {
  return !expected.empty() && expected.back().is_last() &&
         expected.back().fate != Asked::Fate::kBrokenOff;
}

void Check(const Manner& manner, std::string bytes) {
  static Door usual(/*narrow=*/false), narrow(/*narrow=*/true);
  if (manner.stays) bytes += RequestText("GET", "/end", "", {{"Connection", "close"}});
  const std::vector<Asked> expected = Expect(bytes);
  const bool finishes = !manner.stays || !EndsIt(expected);
  Door& door = manner.narrow ? narrow : usual;
  {
    Stranger stranger(door.listener->port());
    for (size_t i = 0; i < manner.pieces; ++i) {
      const size_t from = bytes.size() * i / manner.pieces;
      stranger.Send(bytes.substr(from, bytes.size() * (i + 1) / manner.pieces - from));
      if (manner.apart) door.Settle();
    }
    if (!manner.goes) {
      if (finishes) stranger.FinishSending();
      stranger.ReadToEnd();
      CheckAnswers(expected, finishes, stranger.seen(), stranger.was_reset());
    }
  }
  const auto others = [&] { return door.listener->Counts().connections - 1; };
  Promise(others() == 0 || Eventually([&] { return others() == 0; }), "nothing of it is left");
}

}  // namespace
}  // namespace onced

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  unsigned bits = 0;
  if (size > 0 && data[0] >= 0x80) {
    bits = data[0] - 0x80u;
    bytes.remove_prefix(1);
  }
  const onced::Manner manner(bits);
  onced::Check(manner, onced::Spread(bytes, manner.narrow ? 8 : 24));
  return 0;
}
