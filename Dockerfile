# One recipe for every service, each with nothing that it does not need:
#   docker build --build-arg SERVICE=agent|registry-resolver|ingest|dashboard|notifier|cli -t imagedrift-$SERVICE .
ARG PYTHON=python:3.11-slim-bookworm
FROM ${PYTHON} AS build
ARG SERVICE
WORKDIR /source
COPY deploy/members.sh constraints.txt ./
RUN sh members.sh "${SERVICE}" > members.txt && python -m venv /venv
COPY schemas ./schemas
COPY runtime ./runtime
COPY services ./services
COPY cli ./cli
RUN /venv/bin/pip install --no-cache-dir -c constraints.txt -r members.txt

FROM ${PYTHON}
ARG SERVICE
COPY --from=build /venv /venv
# A numeric user that no machine knows; the agent gets the group of the engine's socket at run time.
RUN install -d -o 65532 -g 65532 /var/lib/imagedrift \
    && case "${SERVICE}" in \
         cli) command=imagedrift ;; \
         registry-resolver) command=imagedrift-resolver ;; \
         *) command="imagedrift-${SERVICE}" ;; \
       esac \
    && ln -s "/venv/bin/${command}" /entrypoint
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/entrypoint"]
