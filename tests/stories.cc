// SPDX-License-Identifier: MIT
#include "tests/stories.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"

namespace onced {

bool Shape::Is(const Shape& other) const {
  if (kind != other.kind) return false;
  if (kind == Kind::kInFlight) return fence == 0 || other.fence == 0 || fence == other.fence;
  return kind == Kind::kAbsent || result == other.result;
}

std::string Shape::Text() const {
  switch (kind) {
    case Kind::kAbsent:
      return "absent";
    case Kind::kInFlight:
      return "in flight with " + std::to_string(fence);
    case Kind::kCompleted:
      return "completed with " + result.substr(0, 40);
  }
  ONCED_CHECK(false);
}

Stories::Handle Stories::Begin(const std::string& key, Shape after) {
  MutexLock lock(mutex_);
  Story& story = stories_[key];
  if (story.empty()) story.push_back({.after = {}, .begun = 0, .ended = 1});
  story.push_back({.after = std::move(after), .begun = ++moments_});
  return {.key = key, .step = story.size() - 1};
}

void Stories::End(const Handle& handle, uint64_t fence, uint64_t sequence, uint64_t log_bytes) {
  MutexLock lock(mutex_);
  Step& step = stories_[handle.key][handle.step];
  if (step.after.kind == Shape::Kind::kInFlight) step.after.fence = fence;
  step.ended = ++moments_;
  step.sequence = sequence;
  step.log_bytes = log_bytes;
  step.answered_at = Clock::now();
  highest_fence_ = std::max(highest_fence_, fence);
}

void Stories::Saw(const std::string& key, const Shape& shape) {
  MutexLock lock(mutex_);
  const auto found = stories_.find(key);
  if (found == stories_.end()) return;
  const Range range = Find(found->second, shape);
  if (range.first <= range.last) found->second[range.first].seen = true;
}

Stories::Range Stories::Find(const Story& story, const Shape& shape) {
  Range range;
  bool any = false;
  for (size_t i = 0; i < story.size(); ++i) {
    if (!story[i].after.Is(shape)) continue;
    if (!std::exchange(any, true)) range.first = i;
    range.last = i;
  }
  return range;
}

bool Stories::Owed(const Step& step, const Promise& promise) {
  if (promise.all) return step.ended != 0 || step.seen;
  return step.ended != 0 &&
         (step.sequence <= promise.durable || step.log_bytes <= promise.log_bytes);
}

void Stories::JudgeOne(const std::string& key, const Story& story, const Shape& shown,
                       const Promise& promise, uint64_t latest, Clock::time_point cut_at,
                       Verdict* verdict) {
  const Range range = Find(story, shown);
  if (range.first > range.last) {
    verdict->wrongs.push_back(key + " is " + shown.Text() + ", which nobody made it");
    return;
  }
  for (size_t i = 1; i < story.size(); ++i) {
    const Step& step = story[i];
    if (step.ended != 0) ++verdict->answered;
    if (i <= range.last) continue;
    if (step.ended != 0) {
      ++verdict->lost;
      verdict->oldest = std::max(verdict->oldest, cut_at - step.answered_at);
    }
    const std::string what = key + " is " + shown.Text() + ", and was " + step.after.Text();
    if (Owed(step, promise)) verdict->wrongs.push_back("lost: " + what);
    if (step.ended != 0 && step.ended < latest) verdict->wrongs.push_back("a hole: " + what);
  }
}

Stories::Verdict Stories::Judge(const Shown& shown, const Promise& promise,
                                Clock::time_point cut_at) {
  MutexLock lock(mutex_);
  uint64_t latest = 0;  // the latest beginning of what is certainly there
  for (const auto& [key, story] : stories_) {
    const Range range = Find(story, shown.at(key));
    if (range.first <= range.last) latest = std::max(latest, story[range.first].begun);
  }
  Verdict verdict;
  for (const auto& [key, story] : stories_) {
    JudgeOne(key, story, shown.at(key), promise, latest, cut_at, &verdict);
  }
  return verdict;
}

void Stories::GoOnFrom(const Shown& shown) {
  MutexLock lock(mutex_);
  for (auto& [key, story] : stories_) {
    const Shape& shape = shown.at(key);
    highest_fence_ = std::max(highest_fence_, shape.fence);
    story.assign(1, {.after = shape, .begun = 0, .ended = 1});
  }
}

std::vector<Stories::Answer> Stories::Answers() {
  MutexLock lock(mutex_);
  std::vector<Answer> answers;
  for (const auto& [key, story] : stories_) {
    for (size_t i = 1; i < story.size(); ++i) {
      if (story[i].ended == 0) continue;
      answers.push_back({.at = story[i].answered_at, .log_bytes = story[i].log_bytes});
    }
  }
  return answers;
}

std::vector<std::string> Stories::Keys() {
  MutexLock lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, story] : stories_) keys.push_back(key);
  return keys;
}

Shape Stories::Last(const std::string& key) {
  MutexLock lock(mutex_);
  const auto found = stories_.find(key);
  return found == stories_.end() ? Shape{} : found->second.back().after;
}

uint64_t Stories::highest_fence() {
  MutexLock lock(mutex_);
  return highest_fence_;
}

}  // namespace onced
