#!/bin/sh
# The first process of Envoy's container. It starts Envoy with what the agent wrote into the folder that both share, starts it
# again whenever it ends, at once, and drains it when it is told to stop. `envoy-supervisor alive` tells whether Envoy answers,
# `envoy-supervisor ready` whether it serves.
#
# Started by root, it goes on as 65532, and keeps CAP_NET_RAW and CAP_NET_ADMIN where the container has them: one of them is what Envoy
# needs for rules of policies, see manifests/envoy-capability.yaml.
#
# The kubelet would wait between restarts, ten seconds at first and then ever longer, while the node's ports are closed.
set -u

run=${SLUICE_RUN_DIR:-/run/sluice}
envoy=${SLUICE_ENVOY:-/usr/local/bin/envoy}
# OpenBSD's, which speaks to Unix sockets. By its path, since busybox would otherwise take its own, which does not.
netcat=${SLUICE_NETCAT:-/bin/nc.openbsd}
# util-linux', since busybox' own changes no user.
setpriv=${SLUICE_SETPRIV:-/bin/setpriv}
user=${SLUICE_ENVOY_USER:-65532}
# Written by the agent, one argument a line, before the bootstrap.
arguments=$run/envoy.args
bootstrap=$run/bootstrap.json
admin=$run/admin.sock
# Hundredths of a second, as of /proc/uptime.
SHORT_LIFE=100
# So many short lives in a row are met with an immediate restart.
PATIENCE=3
LONGEST_PAUSE=5

child=
stopping=

say() { printf 'envoy-supervisor: %s\n' "$1" >&2; }

now() {
  read -r uptime _ </proc/uptime
  echo "${uptime%.*}${uptime#*.}"
}

# ask METHOD PATH: what Envoy's admin interface answers, with its header.
ask() { printf '%s %s HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" | timeout 3 "$netcat" -U "$admin" 2>/dev/null; }

# has NUMBER: whether this process may use a capability.
has() {
  while read -r name value; do
    if [ "$name" = CapPrm: ]; then [ $(((0x$value >> $1) & 1)) -eq 1 ]; return; fi
  done </proc/self/status
  return 1
}

# Root owns what it was given to write to, and Envoy opens that again by its path. Nobody else has a path to it.
share_output() { chmod go+w /proc/self/fd/1 /proc/self/fd/2 2>/dev/null; }

# drop_root ARGUMENT…: this program again, as who owns the sockets and files.
drop_root() {
  kept=
  has 12 && kept=$kept,+net_admin
  has 13 && kept=$kept,+net_raw
  exec "$setpriv" --reuid "$user" --regid "$user" --clear-groups --no-new-privs --inh-caps "-all$kept" --ambient-caps "-all$kept" -- "$0" "$@"
}

alive() {
  # Before its bootstrap is there, no Envoy is expected.
  [ -S "$admin" ] || return 0
  case $(ask GET /ready) in HTTP/1.*) return 0 ;; esac
  return 1
}

# Whether it serves: initialized, and not told to drain.
ready() {
  case $(ask GET /ready) in 'HTTP/1.1 200'*) return 0 ;; esac
  return 1
}

on_signal() { stopping=1; }

# Open requests of HTTP, and connections that are not HTTP; nothing where Envoy does not answer.
count_active() {
  ask GET '/stats?usedonly&type=Gauges&filter=%5E%28http%7Clistener%29%5C..*%5C.downstream_%28rq%7Ccx%29_active%24' | tr -d '\r' | {
    answered= requests=0 connections=0
    while read -r name value; do
      case $name in
        HTTP/1.*) answered=1 ;;
        http.admin.* | listener.admin.* | *.worker_*) ;;
        http.*.downstream_rq_active:) requests=$((requests + value)) ;;
        listener.*.downstream_cx_active:) connections=$((connections + value)) ;;
        http.*.downstream_cx_active:) connections=$((connections - value)) ;;
      esac
    done
    [ "$connections" -gt 0 ] || connections=0
    [ -z "$answered" ] || echo $((requests + connections))
  }
}

drain_seconds() {
  [ -r "$arguments" ] || return 0
  while read -r line; do
    if [ "${previous:-}" = --drain-time-s ]; then echo "$line"; return; fi
    previous=$line
  done <"$arguments"
}

# Refuses new connections, and lets open requests end for as long as the drain time says. Idle connections are not waited for.
drain() {
  limit=$(drain_seconds)
  until=$(($(now) + ${limit:-10} * 100))
  ask POST /healthcheck/fail >/dev/null
  ask POST /drain_listeners >/dev/null
  quiet=0
  while [ "$quiet" -lt 2 ] && [ "$(now)" -lt "$until" ] && kill -0 "$child" 2>/dev/null; do
    active=$(count_active)
    [ -n "$active" ] || return 0
    if [ "$active" -eq 0 ]; then quiet=$((quiet + 1)); else quiet=0; fi
    sleep 0.1
  done
}

# Returns when Envoy has ended, with its exit status.
await_child() {
  drained=
  while :; do
    wait "$child"
    status=$?
    # A signal ends `wait`, not Envoy.
    kill -0 "$child" 2>/dev/null || return "$status"
    if [ -n "$stopping" ] && [ -z "$drained" ]; then
      drained=1
      drain
      kill -TERM "$child" 2>/dev/null
    fi
  done
}

start() {
  set -- "$envoy"
  while read -r line; do set -- "$@" "$line"; done <"$arguments"
  rm -f "$admin"
  "$@" &
  child=$!
  # A signal that came before there was a child has ended no `wait`.
  [ -z "$stopping" ] || kill -TERM "$child" 2>/dev/null
}

# In short steps, since a signal is looked at after each.
pause() {
  left=$1
  while [ "$left" -gt 0 ] && [ -z "$stopping" ]; do
    sleep 1
    left=$((left - 1))
  done
}

supervise() {
  trap on_signal TERM INT
  short_lives=0
  while [ -z "$stopping" ]; do
    if ! [ -r "$bootstrap" ]; then
      sleep 0.1
      continue
    fi
    began=$(now)
    start
    await_child
    status=$?
    [ -z "$stopping" ] || break
    if [ $(($(now) - began)) -lt "$SHORT_LIFE" ]; then short_lives=$((short_lives + 1)); else short_lives=0; fi
    seconds=$((short_lives - PATIENCE))
    [ "$seconds" -le "$LONGEST_PAUSE" ] || seconds=$LONGEST_PAUSE
    if [ "$seconds" -gt 0 ]; then
      say "Envoy ended with status $status, is started again in $seconds s"
      pause "$seconds"
    else
      say "Envoy ended with status $status, is started again"
    fi
  done
}

if [ "$(id -u)" -eq 0 ] && [ "$user" -ne 0 ]; then
  [ "${1:-}" != '' ] || share_output
  drop_root "$@"
fi

case ${1:-} in
  alive) alive ;;
  ready) ready ;;
  '') supervise ;;
  *)
    say "usage: envoy-supervisor [alive|ready]"
    exit 2
    ;;
esac
