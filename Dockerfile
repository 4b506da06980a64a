# One recipe for every service:
#   docker build --build-arg SERVICE=agent|registry-resolver|ingest -t imagedrift-$SERVICE .
#   docker build --build-arg SERVICE=cli -t imagedrift .
ARG PYTHON=python:3.13-slim
FROM ${PYTHON} AS build
ARG SERVICE
WORKDIR /source
COPY constraints.txt ./
COPY schemas ./schemas
COPY runtime ./runtime
COPY services ./services
COPY sandbox ./sandbox
COPY cli ./cli
COPY deploy/members.sh ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -c constraints.txt $(sh members.sh "${SERVICE}")

FROM ${PYTHON}
ARG SERVICE
COPY --from=build /venv /venv
# The numeric user is known to no other file system; the agent adds the socket's group at run time.
RUN install -d -o 65532 -g 65532 /var/lib/imagedrift \
    && ln -s "/venv/bin/$(case "${SERVICE}" in agent) echo imagedrift-agent ;; registry-resolver) echo imagedrift-resolver ;; ingest) echo imagedrift-ingest ;; cli) echo imagedrift ;; esac)" /entrypoint
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/entrypoint"]
