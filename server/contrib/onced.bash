# SPDX-License-Identifier: MIT
# Completion for bash: commands and flags, as `onced ... --help` tells them.
_onced() {
  local words=() word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do [[ $word == -* ]] || words+=("$word"); done
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    --config | --tokens | --tls-* | --token-file | --ca | --data | --into) COMPREPLY=($(compgen -f -- "$2")); return ;;
    --log-format) COMPREPLY=($(compgen -W 'auto json text' -- "$2")); return ;;
    --log-level) COMPREPLY=($(compgen -W 'debug info warn error' -- "$2")); return ;;
    --access-log) COMPREPLY=($(compgen -W 'off errors all' -- "$2")); return ;;
    --state) COMPREPLY=($(compgen -W 'in_flight completed unknown' -- "$2")); return ;;
    --role) COMPREPLY=($(compgen -W 'app admin' -- "$2")); return ;;
    --footprint) COMPREPLY=($(compgen -W 'server edge' -- "$2")); return ;;
    --gateway-principal) COMPREPLY=($(compgen -W 'token certificate header: none' -- "$2")); return ;;
    --durability) COMPREPLY=($(compgen -W 'sync interval os' -- "$2")); return ;;
  esac
  case ${words[*]:0:2} in
    'keys resolve') [[ $2 == -* || ${#words[@]} -lt 3 ]] ||
      { COMPREPLY=($(compgen -W 'completed released' -- "$2")); return; } ;;
  esac
  case ${words[0]:-} in
    backup | verify | restore) [[ $2 == -* ]] || { COMPREPLY=($(compgen -f -- "$2")); return; } ;;
  esac
  COMPREPLY=($(compgen -W "$(onced "${words[@]:0:2}" --help 2>/dev/null |
    sed -nE '/^Positionals/,/^$/d;s/^  (-[a-z],)?(--[a-z-]+|[a-z]+) .*/\2/p')" -- "$2"))
}
complete -F _onced onced
