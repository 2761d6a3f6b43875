# A tag, so that an engine without a registry can build on an image of its own by that name.
# A release builds on the very bits that metadata.yaml names:
#   make image BASE_IMAGE=docker.io/airbyte/python-connector-base:4.0.0@sha256:…
ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.0.0

FROM ${BASE_IMAGE} AS builder
WORKDIR /build

# Tools of the build stay in a virtual environment of their own, which the image does not get.
COPY requirements/build.txt requirements/
RUN python -m venv /tools \
 && /tools/bin/pip install -q --no-cache-dir --no-deps --require-hashes -r requirements/build.txt

# The connector's own environment, without pip: nothing is installed at run time. It lacks the
# packages that scripts/lock.sh leaves out, which `pip check` would report.
COPY requirements/run.txt requirements/
RUN python -m venv --without-pip /opt/source-airtable \
 && /tools/bin/pip -q --python /opt/source-airtable/bin/python install \
      --no-cache-dir --no-compile --no-deps --require-hashes -r requirements/run.txt

COPY pyproject.toml README.md LICENSE ./
COPY source_airtable source_airtable
# Bytecode is compiled here because the image's user cannot write it; without it, every command of
# the connector starts 0.8 s later. Unchecked: the files of an image do not change. All of it anew:
# pip has left some that holds the time of its source, which differs from build to build.
RUN /tools/bin/pip wheel -q --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /tools/bin/pip -q --python /opt/source-airtable/bin/python install \
      --no-cache-dir --no-compile --no-deps /wheel/*.whl \
 && /opt/source-airtable/bin/python -m compileall -qf -j 0 --invalidation-mode unchecked-hash \
      /opt/source-airtable/lib

FROM ${BASE_IMAGE}
COPY --from=builder /opt/source-airtable /opt/source-airtable
ENV PATH=/opt/source-airtable/bin:$PATH
# A first run as root: proves the image and leaves bytecode for the parts of the standard library
# that the connector imports (base images come without it).
RUN source-airtable spec >/dev/null

WORKDIR /airbyte/integration_code
# The base image's user airbyte, by number: of a name, Kubernetes' runAsNonRoot cannot tell that it
# is not root, and refuses to start it.
USER 1000
ENV AIRBYTE_ENTRYPOINT="source-airtable"
ENTRYPOINT ["source-airtable"]

ARG BASE_IMAGE
LABEL io.airbyte.name=source-airtable \
      io.airbyte.version=0.1.0 \
      org.opencontainers.image.title=source-airtable \
      org.opencontainers.image.description="An Airbyte source connector for Airtable." \
      org.opencontainers.image.version=0.1.0 \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.base.name=${BASE_IMAGE}
