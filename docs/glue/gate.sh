#!/bin/sh
# Asks a kubeprobe gate, from any job that has curl.
#
#   gate.sh open      wait until the gate is open: before a change
#   gate.sh verify    announce a change that was just made, and wait for the verdict on it
#
# GATE_URL      http://kubeprobe.kubeprobe-system/v1/gates/production, say
# GATE_TOKEN    a token of the cluster, where the gate wants one
# GATE_SECONDS  how long to wait at most; 900 if not set
# GATE_PAUSE_SECONDS  from one try to the next; 5 if not set
# CHANGE_NAMESPACE, CHANGE_NAME, CHANGE_MESSAGE, CHANGE_LINK  what is announced
# CHANGE_CHECKSUM  tells this release from the one before it; the same again is the same change
#
# Exit code 0: open, or Passed. 1: closed, or Failed. 3: nobody can tell, or not in time. 2: it cannot be asked.
# A gate that does not answer for a while is asked again. Redirects are not followed: a login page is no yes.
set -eu

: "${GATE_URL:?set GATE_URL, such as http://kubeprobe.kubeprobe-system/v1/gates/production}"
end=$(($(date +%s) + ${GATE_SECONDS:-900}))
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# Who asks, for curl's standard input: what is in a command line, all on the machine can read.
credentials() { [ -z "${GATE_TOKEN:-}" ] || printf 'Authorization: Bearer %s\n' "$GATE_TOKEN"; }

# Asks once; the answer is in $answer and its HTTP status in $status, 000 where there is none.
ask() {
  set -- --silent --show-error --max-time 40 --output "$answer" --write-out '%{http_code}' --header @- "$@"
  : >"$answer"
  status=$(credentials | curl "$@") || status=000
}

# Whether to ask again: yes while the gate is away, or too busy; a plain no ends the job.
again() {
  case $status in
    000 | 408 | 429 | 5??) ;;
    *)
      echo "gate: $1: HTTP $status: $(cat "$answer")" >&2
      exit 2
      ;;
  esac
  pause
}

pause() { sleep "${GATE_PAUSE_SECONDS:-5}"; }

in_time() { [ "$(date +%s)" -lt "$end" ]; }

# How long the gate may keep its answer back: no longer than there is time. It may also answer at once, when it has much
# to do or ends, so there is a pause after each answer that is none yet.
waiting() {
  left=$((end - $(date +%s)))
  [ "$left" -lt 30 ] || left=30
  [ "$left" -gt 1 ] || left=1
  echo "wait=${left}s"
}

# A field of the answer that is a word.
field() { sed -n "s/.*\"$1\":\"\([A-Za-z0-9-]*\)\".*/\1/p" "$answer"; }

# A text as JSON has it.
quoted() { printf '"%s"' "$(printf %s "$1" | tr -d '\000-\037\177' | sed 's/[\\"]/\\&/g')"; }

told() {
  echo "gate: $(cat "$answer")"
  exit "$1"
}

late() {
  echo "gate: not within ${GATE_SECONDS:-900}s: $(cat "$answer")" >&2
  exit 3
}

wait_until_open() {
  while in_time; do
    ask "$GATE_URL?$(waiting)"
    if [ "$status" != 200 ]; then
      again "asking"
    elif [ "$(field phase)" = Open ]; then
      told 0
    else
      pause
    fi
  done
  [ "$(field phase)" = Closed ] && told 1
  late
}

announce() {
  body=$(printf '{"namespace":%s,"name":%s,"checksum":%s,"message":%s,"link":%s}' \
    "$(quoted "${CHANGE_NAMESPACE:-}")" "$(quoted "${CHANGE_NAME:-}")" "$(quoted "${CHANGE_CHECKSUM:-$end-$$}")" \
    "$(quoted "${CHANGE_MESSAGE:-}")" "$(quoted "${CHANGE_LINK:-}")")
  while in_time; do
    ask --header 'Content-Type: application/json' --data "$body" "$GATE_URL/changes"
    if [ "$status" = 202 ]; then
      change=$(field id)
      return
    fi
    again "announcing"
  done
  late
}

verdict_of() {
  while in_time; do
    ask "$GATE_URL?$(waiting)&change=$1"
    if [ "$status" != 200 ]; then
      again "asking"
      continue
    fi
    case $(field verdict) in
      Passed) told 0 ;;
      Failed) told 1 ;;
      Inconclusive) told 3 ;;
    esac
    pause
  done
  late
}

case ${1:-} in
  open) wait_until_open ;;
  verify)
    announce
    echo "gate: announced as $change"
    verdict_of "$change"
    ;;
  *)
    echo "gate: say open or verify" >&2
    exit 2
    ;;
esac
