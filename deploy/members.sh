#!/bin/sh
# Prints the folders that one service is made of, for pip: nothing that it does not need.
set -eu
case "$1" in
  agent)             echo ./schemas ./runtime ./services/agent ;;
  registry-resolver) echo ./schemas ./runtime ./services/registry-resolver ;;
  ingest)            echo ./schemas ./runtime ./services/ingest ;;
  cli)               echo ./schemas ./runtime ./services/agent ./services/registry-resolver ./services/ingest ./sandbox ./cli ;;
  *) echo "SERVICE must be agent, registry-resolver, ingest or cli, not '$1'" >&2; exit 2 ;;
esac
