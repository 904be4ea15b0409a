// SPDX-License-Identifier: MIT
// CollectionWords: random commands on hashes, sets, sorted sets and lists, for the differential
// test. Each type has a key of its own, and meets the others, and strings, on those of all.
//
// What is drawn by lot (SPOP, SRANDMEMBER) is not among them: see redis_collections_test.cc.
//
// Threads: one.
#pragma once

#include <random>
#include <string>

#include "tests/redis.h"

namespace onced {

class CollectionWords {
 public:
  // `random` must outlive it.
  explicit CollectionWords(std::mt19937_64* random) : random_(random) {}

  Words Next() {
    switch (Below(9)) {
      case 0:
      case 1:
        return HashCommand();
      case 2:
      case 3:
        return SetCommand();
      case 4:
      case 5:
        return SortedSetCommand();
      case 6:
      case 7:
        return ListCommand();
      default:
        return OtherCommand();
    }
  }

 private:
  size_t Below(size_t n) { return (*random_)() % n; }
  std::string Pick(const Words& from) { return from[Below(from.size())]; }

  std::string Key(const char* own) {
    static const Words shared = {"a", "b", "n", "list:1", "list:2", "k[1]", "h", "s", "z", "l"};
    return Below(5) < 4 ? own : Pick(shared);
  }
  std::string Name() {
    static const Words names = {"a", "b", "c",  "d", "ab",
                                "1", "2", "-3", "",  std::string("\0\r\n\xff", 4)};
    return Pick(names);
  }
  std::string Value() {
    static const Words values = {"0",   "1",    "-1",  "10", "abc", "",    "1.5",
                                 "3.0", "1e3",  " 1",  "01", "nan", "inf", "9223372036854775807",
                                 "x y", "-0.1", "5.0e"};
    return Below(40) == 0 ? std::string(200, 'x') : Pick(values);
  }
  std::string Place() {
    static const Words places = {"0", "1", "2", "-1", "-2", "-3", "5", "-100", "100", "x", "1.0"};
    return Pick(places);
  }
  // Not -0, which Redis keeps in a large set and not in a small one; onced never keeps it.
  std::string Score() {
    static const Words scores = {"0",   "1",    "2",    "-1",   "1.5", "0.1", "0",     "1e3",
                                 "inf", "-inf", "+inf", "1e18", "3.0", "7",   "12.125"};
    return Below(30) == 0 ? Pick({"nan", "x", "", " 1", "0x10", "1e400", "(1"}) : Pick(scores);
  }
  std::string ScoreEnd() {
    return Below(3) == 0 ? Pick({"-inf", "+inf"}) : Pick({"", "("}) + Score();
  }
  std::string NameEnd() {
    if (Below(2) == 0) return Pick({"-", "+"});
    return Below(12) == 0 ? Name() : Pick({"[", "("}) + Name();
  }

  Words With(Words words, std::string (CollectionWords::*word)(), size_t most) {
    for (size_t i = 1 + Below(most); i > 0; --i) words.push_back((this->*word)());
    return words;
  }
  Words Scan(const std::string& name, const std::string& key) {
    Words words = {name, key, Below(12) == 0 ? Pick({"x", "", " 1", "7"}) : "0"};
    if (Below(3) == 0) words.insert(words.end(), {"match", Pick({"*", "a*", "[^a]", "?"})});
    words.insert(words.end(), {"count", Below(12) == 0 ? Pick({"0", "x", "-1"}) : "1000"});
    if (Below(15) == 0) words.insert(words.end(), {"type", "hash"});
    return words;
  }

  Words HashCommand() {
    const std::string key = Key("h");
    switch (Below(11)) {
      case 0:
      case 1:
      case 2: {
        Words words = {Pick({"hset", "hset", "hmset"}), key};
        for (size_t i = 1 + Below(3); i > 0; --i) words.insert(words.end(), {Name(), Value()});
        return words;
      }
      case 3:
        return {"hsetnx", key, Name(), Value()};
      case 4:
        return {Pick({"hget", "hexists", "hstrlen"}), key, Name()};
      case 5:
        return With({"hmget", key}, &CollectionWords::Name, 4);
      case 6:
        return {Pick({"hgetall", "hkeys", "hvals", "hlen"}), key};
      case 7:
        return With({"hdel", key}, &CollectionWords::Name, 4);
      case 8:
        return {"hincrby", key, Name(), Value()};
      case 9:
        return {"hincrbyfloat", key, Name(), Value()};
      default:
        return Scan("hscan", key);
    }
  }

  Words SetCommand() {
    const std::string key = Key("s");
    switch (Below(8)) {
      case 0:
      case 1:
        return With({"sadd", key}, &CollectionWords::Name, 4);
      case 2:
        return With({"sadd", key}, &CollectionWords::Value, 2);
      case 3:
        return With({"srem", key}, &CollectionWords::Name, 3);
      case 4:
        return {"sismember", key, Name()};
      case 5:
        return With({"smismember", key}, &CollectionWords::Name, 4);
      case 6:
        return {Pick({"smembers", "scard"}), key};
      default:
        return Scan("sscan", key);
    }
  }

  Words SortedSetCommand() {
    const std::string key = Key("z");
    switch (Below(13)) {
      case 0:
      case 1:
      case 2: {
        Words words = {"zadd", key};
        while (Below(4) == 0) words.push_back(Pick({"nx", "XX", "gt", "LT", "ch", "incr"}));
        for (size_t i = 1 + Below(5); i > 0; --i) words.insert(words.end(), {Score(), Name()});
        return words;
      }
      case 3:
        return With({"zrem", key}, &CollectionWords::Name, 3);
      case 4:
        return {Pick({"zscore", "zrank", "zrevrank"}), key, Name()};
      case 5:
        return With({"zmscore", key}, &CollectionWords::Name, 3);
      case 6:
        return {Pick({"zcard", "zcard", "zrange"}), key};
      case 7:
        return {"zincrby", key, Score(), Name()};
      case 8:
        return {Pick({"zcount", "zcount", "zcount", "zremrangebyscore"}), key, ScoreEnd(),
                ScoreEnd()};
      case 9:
        return Below(4) == 0 ? Words{"zremrangebyrank", key, Place(), Place()} : Scan("zscan", key);
      default:
        return Range(key);
    }
  }

  Words Range(const std::string& key) {
    Words words;
    const size_t kind = Below(4);
    switch (kind) {
      case 0:
        words = {Pick({"zrange", "zrevrange"}), key, Place(), Place()};
        break;
      case 1:
        words = {Pick({"zrangebyscore", "zrevrangebyscore"}), key, ScoreEnd(), ScoreEnd()};
        break;
      case 2:
        words = {Pick({"zrangebylex", "zrevrangebylex"}), key, NameEnd(), NameEnd()};
        break;
      default:
        words = Below(2) == 0 ? Words{"zrange", key, ScoreEnd(), ScoreEnd(), "BYSCORE"}
                              : Words{"zrange", key, NameEnd(), NameEnd(), "bylex"};
    }
    const bool by_name = words[0].find("lex") != std::string::npos || words.back() == "bylex";
    if (Below(by_name ? 12 : 2) == 0) words.push_back("WITHSCORES");
    if (Below(kind == 0 ? 12 : 3) == 0) words.insert(words.end(), {"limit", Place(), Place()});
    if (words[0] == "zrange" && Below(3) == 0) words.push_back(Pick({"REV", "rev"}));
    if (Below(12) == 0) words.push_back(Pick({"rev", "byscore", "bylex", "y"}));
    return words;
  }

  Words ListCommand() {
    const std::string key = Key("l");
    switch (Below(10)) {
      case 0:
      case 1:
        return With({Pick({"lpush", "rpush"}), key}, &CollectionWords::Name, 4);
      case 2:
        return With({Pick({"lpushx", "rpushx", "rpush"}), key}, &CollectionWords::Value, 2);
      case 3: {
        Words words = {Pick({"lpop", "rpop"}), key};
        if (Below(2) == 0) words.push_back(Place());
        return words;
      }
      case 4:
        return {"lrange", key, Place(), Place()};
      case 5:
        return Below(3) == 0 ? Words{"ltrim", key, Place(), Place()} : Words{"llen", key};
      case 6:
        return {"lindex", key, Place()};
      case 7:
        return {"lrem", key, Place(), Name()};
      case 8:
        return {"lset", key, Place(), Value()};
      default:
        return {"linsert", key, Pick({"before", "AFTER", "after", "x"}), Name(), Value()};
    }
  }

  Words OtherCommand() {
    static const Words keys = {"h", "s", "z", "l"};
    switch (Below(9)) {
      case 0:
        return {Pick({"type", "ttl", "persist", "expiretime"}), Pick(keys)};
      case 1:
        return {Pick({"get", "strlen", "incr", "getdel", "getex", "del"}), Pick(keys)};
      case 2:
        return {"expire", Pick(keys), "1000"};
      case 3:
        return {Pick({"append", "getset", "setnx", "incrby", "incrbyfloat"}), Pick(keys), "1"};
      case 4:
        return {Pick({"rename", "renamenx", "copy"}), Pick(keys), Pick(keys)};
      case 5:
        return {"copy", Pick(keys), Key("a"), "replace"};
      case 6:
        return {"set", Pick(keys), "1", Pick({"get", "nx", "xx"})};
      case 7:
        return {"object", Pick({"encoding", "refcount"}), Pick(keys)};
      default:
        return {"mget", "h", "s", "z", "l"};
    }
  }

  std::mt19937_64* const random_;
};

}  // namespace onced
