// SPDX-License-Identifier: MIT
// JsonWriter: an answer, written straight into a string. No tree, no second copy.
//
// It escapes what JSON must have escaped and nothing else; UTF-8 passes through. It trusts its
// caller: strings are UTF-8, raw values are valid JSON (json_reader.h), names are not repeated.
// What it does check, with ONCED_CHECK, is the nesting: a name where an object is open, none in an
// array, every Begin ended.
//
//   JsonWriter w;
//   w.Field("outcome", "claimed").Field("attempt", 1).RawField("result", raw);
//   w.BeginArray("results").RawElement(a).RawElement(b).EndArray();
//   return w.Take();  // {"outcome":"claimed","attempt":1,"result":...,"results":[...,...]}
//
// Threads: use from one.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace onced {

class JsonWriter {
 public:
  // Opens the object that the answer is. `bytes_expected` saves growing when a result is in it.
  explicit JsonWriter(size_t bytes_expected = 256);

  // In an object.
  JsonWriter& Field(std::string_view name, std::string_view value);
  template <std::integral T>
  JsonWriter& Field(std::string_view name, T value) {
    return RawField(name, Text(value));
  }
  JsonWriter& RawField(std::string_view name, std::string_view json);
  JsonWriter& Null(std::string_view name) { return RawField(name, "null"); }
  JsonWriter& BeginObject(std::string_view name) { return Name(name).Begin('{'); }
  JsonWriter& BeginArray(std::string_view name) { return Name(name).Begin('['); }

  // In an array.
  JsonWriter& Element(std::string_view value);
  template <std::integral T>
  JsonWriter& Element(T value) {
    return RawElement(Text(value));
  }
  JsonWriter& RawElement(std::string_view json);
  JsonWriter& BeginObject() { return Slot().Begin('{'); }
  JsonWriter& BeginArray() { return Slot().Begin('['); }

  JsonWriter& EndObject();
  JsonWriter& EndArray();

  // Closes the answer and hands it over. REQUIRES: all that was begun is ended; no further call.
  std::string Take();

 private:
  template <std::integral T>
  static std::string Text(T value) {
    if constexpr (std::same_as<T, bool>) {
      return value ? "true" : "false";
    } else {
      static_assert(!std::same_as<T, char>, "a char is neither a number nor a text");
      return std::to_string(value);
    }
  }
  JsonWriter& Name(std::string_view name);  // where a field's value may follow
  JsonWriter& Slot();                       // where an element may follow
  JsonWriter& Begin(char bracket);
  JsonWriter& End(char bracket);
  void Comma();

  std::string out_;
  std::string open_;   // the brackets that will close what is open, outermost first
  bool first_ = true;  // nothing yet in the innermost object or array
};

// Appends `text` as a JSON string, in quotes.
void AppendJsonString(std::string_view text, std::string* out);

// Takes the first code point off `text` and appends it as it stands in an ASCII-only JSON string:
// itself, \n and its like, \uXXXX in lower-case hex, or a pair of those.
// What is not decoded text as json_reader.h has it comes out as some other text, no worse.
// REQUIRES: `text` is not empty.
void AppendCodePointAscii(std::string_view* text, std::string* out);

// A field's name as an error message may show it: printable ASCII, at most 64 characters.
std::string PrintableName(std::string_view name);

}  // namespace onced
