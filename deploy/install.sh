#!/bin/sh
# Installs the agent on this host, or a newer one over it, after checking every byte of it.
#
#   sh install.sh --from FOLDER|URL --sums SHA256 [--nats ADDRESS] [--no-service]
#   sh install.sh --uninstall
#
# Where NATS is has to stand in agent.env, if there is one; else --nats says it, or NATS_URL in the
# environment (others cannot read a password there), or the installer asks on the terminal. Without
# it nothing is installed.
# FROM holds what `bundle.sh` made, SHA256 is what it printed: that one checksum must come to the
# host by a way that you trust. It covers SHA256SUMS, which covers every other file; nothing is
# installed, and no file of the bundle is run, before all of them are right. No package index is
# asked. Every run installs into a folder of its own; what runs meanwhile is not touched, also where
# it came from the same bundle. The link `current` moves when the new agent has shown that it starts,
# and moves back when its service does not; whatever fails, all is then as it was. The agent of before
# stays for the way back, older ones go unless a process still runs from them. Without systemd
# nothing is started, and the command to start is printed. --uninstall removes the service and every
# agent, refuses while a process runs from one, and keeps the settings and the state.
# Needs root, Python 3.11 or newer with venv, and sha256sum; curl or wget for a URL.
set -eu

usage='--from FOLDER|URL --sums SHA256 [--nats ADDRESS] [--no-service], or --uninstall'
from= sums= service=yes action=install nats=${NATS_URL:-}
prefix=${IMAGEDRIFT_PREFIX:-/opt/imagedrift}
etc=${IMAGEDRIFT_ETC:-/etc/imagedrift}
units=${IMAGEDRIFT_UNITS:-/etc/systemd/system}
systemd=${IMAGEDRIFT_SYSTEMD:-/run/systemd/system} # a folder that is there while systemd runs
hex='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

lock() { # one installer at a time
  if command -v flock >/dev/null; then
    exec 9>"$prefix/.lock"
    flock -n 9 || fail "another install.sh is at work on this host"
  fi
}

is_used() { # is_used FOLDER: a process has loaded files of it, by whatever links
  grep -qsF "$(cd "$1" && pwd -P)/" /proc/[0-9]*/maps
}

uninstall() {
  [ -d "$prefix" ] || fail "nothing is installed in $prefix"
  lock
  unit=$units/imagedrift-agent.service stopped=
  if [ -e "$unit" ] && [ -d "$systemd" ] && systemctl is-active --quiet imagedrift-agent; then
    systemctl stop imagedrift-agent
    stopped=yes
  fi
  for folder in "$prefix"/$hex$hex$hex*; do
    if is_used "$folder"; then
      [ -z "$stopped" ] || systemctl start imagedrift-agent
      fail "a process runs from $folder: stop it, and uninstall again; nothing was removed"
    fi
  done
  if [ -e "$unit" ]; then
    [ ! -d "$systemd" ] || systemctl disable imagedrift-agent
    rm -f "$unit"
    [ ! -d "$systemd" ] || systemctl daemon-reload
  fi
  rm -rf "$prefix/current" "$prefix"/$hex$hex$hex* "$prefix/.lock"
  rmdir "$prefix" 2>/dev/null || echo "install.sh: $prefix holds other files, and stays" >&2
  echo "uninstalled. Settings and state are left: rm -r $etc/agent.env /var/lib/imagedrift" \
    "/var/lib/private/imagedrift. The fleet forgets the host by: imagedrift forget HOST"
}

while [ $# -gt 0 ]; do
  case $1 in
    --from) from=${2:?}; shift 2 ;;
    --sums) sums=${2:?}; shift 2 ;;
    --nats) nats=${2:?}; shift 2 ;;
    --no-service) service=no; shift ;;
    --uninstall) action=uninstall; shift ;;
    *) fail "unknown option $1: $usage" ;;
  esac
done
if [ "$action" = uninstall ]; then
  uninstall
  exit
fi
[ -n "$from" ] || fail "--from is missing: the folder or URL that holds the bundle"
case $sums in
  *[!0-9a-f]* | '') fail "--sums is missing or no sha256: the checksum that bundle.sh printed" ;;
esac
[ ${#sums} -eq 64 ] || fail "--sums is no sha256: it has ${#sums} characters, not 64"

if [ ! -e "$etc/agent.env" ] && [ -z "$nats" ] && [ -t 0 ]; then
  printf 'Address of NATS, such as tls://USER:PASSWORD@nats.example.org:4222: ' >&2
  read -r nats
fi
if [ -e "$etc/agent.env" ]; then
  grep -Eq '^[[:space:]]*NATS_URL(_FILE)?=.' "$etc/agent.env" ||
    fail "$etc/agent.env does not say where NATS is: add NATS_URL=tls://HOST:4222 to it"
else
  case $nats in
    *[!A-Za-z0-9._~:/@%,+=-]*) fail "the address of NATS: percent-encode what is in its password" ;;
    nats://?* | tls://?*) ;;
    *) fail "where is NATS? --nats tls://HOST:4222, or NATS_URL, or $etc/agent.env" ;;
  esac
fi

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
new= running= moved= unit= old_unit= restarted= finished=

leave() { # at every end: put back what was changed, unless all of it was done
  if [ -z "$finished" ]; then
    if [ -n "$moved" ] && [ -n "$running" ]; then
      ln -sfn "$running" "$prefix/next" && mv -T "$prefix/next" "$prefix/current"
    elif [ -n "$moved" ]; then
      rm -f "$prefix/current"
    fi
    if [ -n "$old_unit" ]; then
      cp "$old_unit" "$unit.new" && mv "$unit.new" "$unit" && systemctl daemon-reload
    elif [ -n "$unit" ]; then
      systemctl disable --now imagedrift-agent
      rm -f "$unit"
    fi
    if [ -n "$restarted" ] && [ -n "$running" ]; then
      systemctl restart imagedrift-agent
      echo "install.sh: the agent of before runs again" >&2
    fi
    rm -f "$prefix/next" "$etc/agent.env.new" ${unit:+"$unit.new"}
    [ -z "$new" ] || rm -rf "$new"
  fi
  rm -rf "$work"
}
trap 'set +e; leave' EXIT
trap 'exit 1' HUP INT TERM

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

umask 022
mkdir -p "$prefix" "$etc"
lock
[ ! -L "$prefix/current" ] || running=$(readlink "$prefix/current")
version=$(echo "$sums" | cut -c1-12)
new=$(mktemp -d "$prefix/$version.XXXXXX")
chmod 755 "$new"
"$python" -m venv "$new/venv" || fail "no venv: apt-get install python3-venv"
"$new/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
  "$work"/*.whl || fail "these wheels are for another Python or machine"
cp "$work/agent.md" "$new/"
"$new/venv/bin/imagedrift-agent" --version || fail "the new agent does not start"

if [ ! -e "$etc/agent.env" ]; then
  (umask 077 && cat > "$etc/agent.env.new") <<SETTINGS
# Settings of the agent, one VARIABLE=value a line; all of them: imagedrift-agent --help
NATS_URL=$nats
#IMAGEDRIFT_SITE=default
#IMAGEDRIFT_HOST_ID=
#IMAGEDRIFT_PLACE=
#IMAGEDRIFT_LABELS=
SETTINGS
  mv "$etc/agent.env.new" "$etc/agent.env"
fi
ln -sfn "${new##*/}" "$prefix/next"
moved=yes
mv -T "$prefix/next" "$prefix/current" # in one step: there is always an agent to start
if [ "$service" = yes ] && [ -d "$systemd" ]; then
  file=$units/imagedrift-agent.service
  if [ -e "$file" ]; then
    cp "$file" "$work/old.service"
    old_unit=$work/old.service
  fi
  unit=$file
  cp "$work/imagedrift-agent.service" "$unit.new"
  mv "$unit.new" "$unit"
  systemctl daemon-reload
  systemctl enable imagedrift-agent
  restarted=yes
  systemctl restart imagedrift-agent || fail "the new agent's service does not start"
fi
finished=yes

for folder in "$prefix"/$hex$hex$hex*; do
  case ${folder##*/} in
    "${new##*/}" | "$running") continue ;;
  esac
  is_used "$folder" || rm -rf "$folder" || echo "install.sh: $folder is left over" >&2
done
echo "installed $version in $new; settings: $etc/agent.env"
if [ "$service" = yes ] && [ ! -d "$systemd" ]; then
  echo "this host has no systemd: nothing was started, and nothing that runs was stopped. As a user"
  echo "of the group of the engine's socket, that may write to /var/lib/imagedrift, have it run:"
  echo "  set -a; . $etc/agent.env; exec $prefix/current/venv/bin/imagedrift-agent"
fi
echo "what may be missing: set -a; . $etc/agent.env; $prefix/current/venv/bin/imagedrift-agent doctor"
