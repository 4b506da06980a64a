#!/bin/sh
# Prints the folders of one service, one a line, as requirements for pip, and no others.
set -eu
case "${1-}" in
  agent | registry-resolver | ingest | dashboard | notifier) members="schemas runtime services/$1" ;;
  cli) members="schemas runtime services/agent services/registry-resolver services/ingest services/notifier cli" ;;
  *) echo "SERVICE must be agent, registry-resolver, ingest, dashboard, notifier or cli, not '${1-}'" >&2; exit 2 ;;
esac
for member in $members; do
  echo "./$member"
done
