#!/bin/sh
# Installs the agent on this host, or a newer one over it, after checking every byte of it.
#
#   sh install.sh --from FOLDER|URL --sums SHA256 [--no-service]
#
# FROM holds what `bundle.sh` made, SHA256 is what it printed: that one checksum must come to the
# host by a way that you trust. It covers SHA256SUMS, which covers every other file; nothing is
# installed, and no file of the bundle is run, before all of them are right. No package index is
# asked. What was installed before stays, and stays in use, until the new one has shown that it
# starts. Needs root, Python 3.11 or newer with venv, and sha256sum; curl or wget for a URL.
set -eu

from= sums= service=yes
prefix=${IMAGEDRIFT_PREFIX:-/opt/imagedrift}
etc=${IMAGEDRIFT_ETC:-/etc/imagedrift}
units=${IMAGEDRIFT_UNITS:-/etc/systemd/system}

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --from) from=${2:?}; shift 2 ;;
    --sums) sums=${2:?}; shift 2 ;;
    --no-service) service=no; shift ;;
    *) fail "unknown option $1: --from FOLDER|URL --sums SHA256 [--no-service]" ;;
  esac
done
[ -n "$from" ] || fail "--from is missing: the folder or URL that holds the bundle"
case $sums in
  *[!0-9a-f]* | '') fail "--sums is missing or no sha256: the checksum that bundle.sh printed" ;;
esac
[ ${#sums} -eq 64 ] || fail "--sums is no sha256: it has ${#sums} characters, not 64"

python=
for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
  if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || fail "no Python 3.11 or newer: apt-get install python3 python3-venv"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

fetch() { # fetch NAME: bring one file of the bundle to $work
  case $from in
    http://* | https://*)
      if command -v curl >/dev/null; then
        curl -fsSL --max-filesize 104857600 -o "$work/$1" "$from/$1"
      else
        wget -q -O "$work/$1" "$from/$1"
      fi || fail "$from/$1 cannot be fetched"
      ;;
    *) cp "$from/$1" "$work/$1" || fail "$from/$1 cannot be read" ;;
  esac
}

fetch SHA256SUMS
found=$(sha256sum < "$work/SHA256SUMS" | cut -d' ' -f1)
[ "$found" = "$sums" ] || fail "SHA256SUMS is not the one that was promised: it is $found"
while read -r _ name; do
  case $name in
    */* | .* | '') fail "SHA256SUMS names a file outside of the bundle: $name" ;;
    *.whl | imagedrift-agent.service | agent.md) fetch "$name" ;;
    *) fail "SHA256SUMS names a file that does not belong to an agent: $name" ;;
  esac
done < "$work/SHA256SUMS"
(cd "$work" && sha256sum --check --strict --quiet SHA256SUMS) || fail "nothing was installed"

version=$(echo "$sums" | cut -c1-12)
new=$prefix/$version
umask 022
rm -rf "$new"
mkdir -p "$new" "$etc"
"$python" -m venv "$new/venv" || fail "no venv: apt-get install python3-venv"
"$new/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
  "$work"/*.whl || { rm -rf "$new"; fail "these wheels are for another Python or machine"; }
cp "$work/agent.md" "$new/"
"$new/venv/bin/imagedrift-agent" --version || { rm -rf "$new"; fail "the new agent does not start"; }
ln -sfn "$version" "$prefix/next"
mv -T "$prefix/next" "$prefix/current" # in one step: there is always an agent to start

if [ ! -e "$etc/agent.env" ]; then
  (umask 077 && cat > "$etc/agent.env") <<'SETTINGS'
# Settings of the agent, one VARIABLE=value a line; all of them: imagedrift-agent --help
NATS_URL=nats://127.0.0.1:4222
#IMAGEDRIFT_SITE=default
#IMAGEDRIFT_PLACE=
#IMAGEDRIFT_LABELS=
SETTINGS
fi
if [ "$service" = yes ]; then
  cp "$work/imagedrift-agent.service" "$units/"
  systemctl daemon-reload
  systemctl enable imagedrift-agent
  systemctl restart imagedrift-agent
fi
echo "installed $version in $new; settings: $etc/agent.env"
echo "what may be missing: set -a; . $etc/agent.env; $prefix/current/venv/bin/imagedrift-agent doctor"
