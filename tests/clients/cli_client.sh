#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# redis-cli and redis-benchmark against whatever speaks Redis' protocol on a port:
#     cli_client.sh PORT [--reconnect | --password WORD]
# One line a step; exit code 1 at the first that differs. --reconnect does only this: prints `ready`,
# and goes on when the server was killed then. --password: only who has it is let in.
set -uo pipefail

port=$1
shift
prefix="clients:$$:$RANDOM$RANDOM:"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cli() { timeout 20 redis-cli -p "$port" "$@"; }
say() { printf '%s\n' "$*"; }
fail() {
  say "FAILED   $*"
  exit 1
}
# same GOT WANTED WHAT
same() { [[ $1 == "$2" ]] || fail "$3 is '$1' and not '$2'"; }
# has TEXT PATTERN
has() { [[ $1 =~ $2 ]] || fail "'$1' has no '$2'"; }

commands() {
  same "$(cli PING)" PONG 'the answer to PING'
  same "$(cli SET "${prefix}a" 'two words' EX 100)" OK 'the answer to SET'
  same "$(cli GET "${prefix}a")" 'two words' 'the value'
  has "$(cli --no-raw TTL "${prefix}a")" '^\(integer\) (100|9[0-9])$'
  same "$(cli --no-raw GET "${prefix}none")" '(nil)' 'what is not there'
  same "$(cli --no-raw MGET "${prefix}a" "${prefix}none")" $'1) "two words"\n2) (nil)' 'MGET'
  same "$(cli INCR "${prefix}a")" \
    'ERR value is not an integer or out of range' 'the answer to a wrong INCR'
  same "$(cli -e INCR "${prefix}a" 2>&1 >/dev/null)" \
    'ERR value is not an integer or out of range' 'the error of a wrong INCR'
  cli -e INCR "${prefix}a" >/dev/null 2>&1 && fail 'a wrong INCR ended well'
  same "$(printf 'a\0b\r\n' | cli -x SET "${prefix}bytes")" OK 'the answer to SET'
  same "$(cli --no-raw GET "${prefix}bytes")" '"a\x00b\r\n"' 'the bytes'
  same "$(cli -n 3 EXISTS "${prefix}a")" 0 "another database's key"
  same "$(cli -r 5 INCR "${prefix}n" | tail -1)" 5 'the fifth INCR'
  same "$(cli DEL "${prefix}a" "${prefix}n" "${prefix}bytes")" 3 'the answer to DEL'
}

resp3() {
  has "$(cli -3 --no-raw HELLO)" '"proto" => \(integer\) 3'
  same "$(cli -3 --no-raw GET "${prefix}none")" '(nil)' 'what is not there'
  has "$(cli -3 --no-raw CONFIG GET databases)" '"databases" => "16"'
  same "$(cli -3 SET "${prefix}a" 1 NX)" OK 'the answer to SET NX'
  has "$(cli -3 INFO server)" 'redis_version:'
  same "$(cli -3 DEL "${prefix}a")" 1 'the answer to DEL'
}

# As a person types them: one connection, a transaction and its answers, and the end.
session() {
  local said
  said=$(printf '%s\n' 'MULTI' "SET ${prefix}a 1" "INCR ${prefix}a" 'EXEC' 'MULTI' 'DISCARD' \
    "WATCH ${prefix}a" 'UNWATCH' 'SELECT 3' "EXISTS ${prefix}a" 'QUIT' | cli)
  same "$said" $'OK\nQUEUED\nQUEUED\nOK\n2\nOK\nOK\nOK\nOK\nOK\n0' 'the session' # QUIT says nothing
  same "$(cli DEL "${prefix}a")" 1 'the answer to DEL'
  has "$(cli --no-raw COMMAND DOCS get)" '"summary"'
}

mass() {
  local i
  for ((i = 0; i < 5000; ++i)); do say "SET ${prefix}mass:$i $i"; done >"$folder/mass"
  has "$(cli --pipe <"$folder/mass" 2>&1)" 'errors: 0, replies: 5000'
  # The same in the protocol's own words, and one that is refused.
  # shellcheck disable=SC2016  # the $ is the protocol's
  printf '*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nx\r\n*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n' \
    $((${#prefix} + 6)) "${prefix}mass:0" $((${#prefix} + 6)) "${prefix}mass:0" >"$folder/mass"
  has "$(cli --pipe <"$folder/mass" 2>&1)" 'errors: 1, replies: 2'
}

scan() {
  local i
  for ((i = 0; i < 5000; ++i)); do say "${prefix}mass:$i"; done | sort >"$folder/wanted"
  cli --scan --pattern "${prefix}mass:*" | sort >"$folder/found"
  cmp "$folder/wanted" "$folder/found" || fail 'other keys were found'
  has "$(cli --bigkeys)" '[0-9]+ strings with [0-9]+ bytes'
  has "$(cli --memkeys)" 'Sampled [0-9]+ keys in the keyspace'
  has "$(cli --stat -i 0.01 2>&1 | head -4)" 'keys +mem +clients'
  same "$(xargs -n 1000 redis-cli -p "$port" DEL <"$folder/wanted" | sort -u)" 1000 'the answers to DEL'
  same "$(cli --scan --pattern "${prefix}mass:*")" '' 'what is left'
}

benchmark() {
  local said
  said=$(timeout 60 redis-benchmark -p "$port" -t set,get,incr,mset -n 2000 -r 100 -c 20 -P 16 -q 2>&1) ||
    fail "redis-benchmark ended with $?: $said"
  said=${said//$'\r'/$'\n'}
  [[ $said == *[Ee]rror* || $said == *WARN* ]] && fail "redis-benchmark says $said"
  for name in SET GET INCR 'MSET (10 keys)'; do
    [[ $said == *"$name: "*'requests per second'* ]] || fail "no figure for $name: $said"
  done
  said=$(timeout 60 redis-benchmark -p "$port" -n 200 -c 5 -q SET "${prefix}bench" __rand_int__ 2>&1)
  has "$said" 'requests per second'
}

scripts() {
  say 'return {KEYS[1], ARGV[1], redis.call("incr", KEYS[1])}' >"$folder/script.lua"
  same "$(cli --eval "$folder/script.lua" "${prefix}s" , one)" "${prefix}s"$'\none\n1' '--eval'
  same "$(cli EVALSHA "$(cli SCRIPT LOAD "$(<"$folder/script.lua")")" 1 "${prefix}s" two)" \
    "${prefix}s"$'\ntwo\n2' 'EVALSHA'
  has "$(cli EVALSHA 0000000000000000000000000000000000000000 0)" 'NOSCRIPT'
  same "$(cli DEL "${prefix}s")" 1 'the answer to DEL'
}

password() {
  same "$(cli -a "$1" --no-auth-warning SET "${prefix}in" here)" OK 'the answer to SET'
  same "$(cli -3 --user default --pass "$1" --no-auth-warning GET "${prefix}in")" here 'the value'
  same "$(REDISCLI_AUTH=$1 cli GET "${prefix}in")" here 'the value'
  has "$(cli -a wrong --no-auth-warning GET "${prefix}in" 2>&1)" 'WRONGPASS.*NOAUTH'
  has "$(cli --user nobody --pass "$1" --no-auth-warning PING 2>&1)" 'WRONGPASS'
  has "$(cli GET "${prefix}in")" '^NOAUTH Authentication required'
  has "$(timeout 60 redis-benchmark -p "$port" -a "$1" -t get -n 100 -c 5 -q 2>&1)" 'per second'
}

# One redis-cli for all of it, in a terminal: elsewhere it ends with its connection.
reconnect() {
  local before line i
  before=$(cli INFO server | grep '^run_id')
  coproc { TERM=dumb script -qfec "redis-cli -p $port" /dev/null; }
  # ask COMMAND ANSWER
  ask() {
    printf '%s\n' "$1" >&"${COPROC[1]}"
    line=
    while [[ $line != "$2" ]]; do
      read -r -t 20 line <&"${COPROC[0]}" || fail "redis-cli did not answer '$2' to $1"
      line=${line%$'\r'} line=${line##*> } # after the prompt
    done
  }
  for ((i = 0; i < 100; ++i)); do ask "SET ${prefix}$i $i" OK; done
  say ready
  for ((i = 0; i < 400; ++i)); do
    line=$(cli INFO server 2>/dev/null | grep '^run_id')
    [[ -z $line || $line == "$before" ]] || break
    sleep 0.05
  done
  [[ -n $line && $line != "$before" ]] || fail 'the server was not started anew'
  printf 'PING\n' >&"${COPROC[1]}" # by which redis-cli finds out; it connects for the next
  for ((i = 0; i < 100; ++i)); do ask "GET ${prefix}$i" "\"$i\""; done
  printf 'QUIT\n' >&"${COPROC[1]}"
}

step() {
  "$1" "${@:3}"
  say "ok       $2"
}

type -P redis-cli redis-benchmark script >/dev/null || {
  say 'skipped: no redis-cli, redis-benchmark and script here'
  exit 77
}
say "$(redis-cli --version)"
if [[ ${1-} == --reconnect ]]; then
  step reconnect 'redis-cli goes on when the server was killed and came back'
  exit 0
fi
if [[ ${1-} == --password ]]; then
  step password 'redis-cli and redis-benchmark: let in with the password only' "$2"
  exit 0
fi
step commands 'redis-cli: commands, errors, bytes from a file, another database'
step resp3 'redis-cli -3'
step session 'redis-cli: a session of several commands'
step mass 'redis-cli --pipe: 5,000 commands'
step scan 'redis-cli --scan: these 5,000 keys and no other; --bigkeys, --memkeys, --stat'
step benchmark 'redis-benchmark: set, get, incr, mset, sixteen at a time, without an error'
step scripts 'redis-cli --eval, EVALSHA, NOSCRIPT'
