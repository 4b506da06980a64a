#!/bin/sh
# Makes the bundle that `install.sh` installs on a host: the agent and its libraries as wheels, the
# systemd unit, and SHA256SUMS over them. Prints the one checksum that a host needs.
#
#   sh deploy/bundle.sh FOLDER [PYTHON]
#
# Wheels are for the processor and the Python that make them: build with your hosts' oldest ones.
set -eu
folder=${1:?FOLDER is missing: deploy/bundle.sh FOLDER [PYTHON]}
python=${2:-python3}
case $python in
  */*) python=$(cd "$(dirname "$python")" && pwd)/${python##*/} ;; # the source is another folder
esac
source=$(cd "$(dirname "$0")/.." && pwd)

mkdir -p "$folder"
if [ -n "$(ls -A "$folder")" ]; then
  echo "bundle.sh: $folder is not empty" >&2
  exit 2
fi
folder=$(cd "$folder" && pwd)
members=$(cd "$source" && sh deploy/members.sh agent)
(cd "$source" && "$python" -m pip wheel --quiet --disable-pip-version-check \
  --constraint constraints.txt --wheel-dir "$folder.wheels" $members)
mv "$folder.wheels"/*.whl "$folder/"
rmdir "$folder.wheels"
cp "$source/deploy/systemd/imagedrift-agent.service" "$source/docs/agent.md" "$folder/"
(cd "$folder" && sha256sum -- *.whl imagedrift-agent.service agent.md > SHA256SUMS)
sha256sum < "$folder/SHA256SUMS" | cut -d' ' -f1
