// SPDX-License-Identifier: MIT
#include "server/gateway/http_date.h"

#include <array>
#include <chrono>

#include "server/wire/wall_time.h"

namespace onced {

std::string HttpDate(int64_t unix_ms) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(unix_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(time - day).count();
  std::string text = "Sun, 00 Jan 0000 00:00:00 GMT";
  const auto put = [&text](size_t last, unsigned value) {
    for (size_t at = last; value != 0; --at, value /= 10) {
      text[at] = static_cast<char>('0' + value % 10);
    }
  };
  text.replace(0, 3, kDays[std::chrono::weekday(day).c_encoding()]);
  put(6, static_cast<unsigned>(date.day()));
  text.replace(8, 3, kMonths[static_cast<unsigned>(date.month()) - 1]);
  put(15, static_cast<unsigned>(static_cast<int>(date.year())) % 10'000);
  put(18, static_cast<unsigned>(second / 3'600));
  put(21, static_cast<unsigned>(second / 60 % 60));
  put(24, static_cast<unsigned>(second % 60));
  return text;
}

std::string HttpDateNow() { return HttpDate(wire::UnixUs() / 1'000); }

}  // namespace onced
