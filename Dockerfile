# Every image of Penstock, a target each; `make images` builds them all.
#
#   docker build --target service --build-arg SERVICE=ingest-api .
#   docker build --target algorithm --build-arg ALGORITHM=xgboost .
#   docker build --target migrations .
#   docker build --target local .
#
# A layer for what all services need, one for what each adds, one for our own code: most changes
# touch the last alone. Tools and build backends are mounted while they work and lie in no image.
#
# The base is a tag here; a job that publishes sets a digest: PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG VERSION=0.1.0

# ---- what builds, and stays out of every image

FROM ${PYTHON_IMAGE} AS tools
# No version of Debian's binutils matters here, and a pinned one vanishes from the mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/*
COPY requirements/images.txt /opt/tools/requirements.txt
RUN --mount=type=cache,target=/cache/pip \
    python -m venv /opt/tools \
 && /opt/tools/bin/pip install --quiet --disable-pip-version-check --cache-dir /cache/pip \
    --require-hashes -r /opt/tools/requirements.txt
ENV VIRTUAL_ENV=/opt/tools PATH=/opt/tools/bin:$PATH

# ---- our code as wheels

FROM tools AS service-wheels
ARG SERVICE
RUN --mount=type=bind,source=libs/penstock,target=/src/penstock \
    --mount=type=bind,source=services/${SERVICE},target=/src/service \
    for member in penstock service; do \
      uv build --quiet --wheel --no-build-isolation --no-sources --out-dir /wheels "/src/$member" || exit 1; \
    done

FROM tools AS algorithm-wheels
RUN --mount=type=bind,source=algorithms,target=/src/algorithms \
    uv build --quiet --wheel --no-build-isolation --no-sources --out-dir /wheels /src/algorithms

FROM tools AS migrations-wheels
RUN --mount=type=bind,source=libs/penstock,target=/src/penstock \
    uv build --quiet --wheel --no-build-isolation --no-sources --out-dir /wheels /src/penstock

FROM tools AS local-wheels
RUN --mount=type=bind,source=libs,target=/src/libs \
    --mount=type=bind,source=services,target=/src/services \
    --mount=type=bind,source=algorithms,target=/src/algorithms \
    --mount=type=bind,source=local,target=/src/local \
    for member in /src/libs/* /src/services/* /src/algorithms /src/local; do \
      uv build --quiet --wheel --no-build-isolation --no-sources --out-dir /wheels "$member" || exit 1; \
    done

# ---- what all images have

FROM ${PYTHON_IMAGE} AS bare
ARG PYTHON_IMAGE
ARG VERSION
LABEL org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.base.name=${PYTHON_IMAGE}
# The root file system may be read-only: /tmp is the one place to write to.
ENV PATH=/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN python -m venv --without-pip /venv
STOPSIGNAL SIGTERM

# ---- services

FROM bare AS base
RUN --mount=type=cache,target=/cache/uv \
    --mount=type=bind,from=tools,target=/tools \
    --mount=type=bind,source=scripts/images,target=/src/images \
    --mount=type=bind,source=requirements/base.txt,target=/src/lock.txt \
    /src/images/install lock /src/lock.txt

FROM base AS service
ARG SERVICE
RUN --mount=type=cache,target=/cache/uv \
    --mount=type=bind,from=tools,target=/tools \
    --mount=type=bind,source=scripts/images,target=/src/images \
    --mount=type=bind,source=requirements/${SERVICE}.txt,target=/src/lock.txt \
    /src/images/install lock /src/lock.txt
COPY infra/authorities /opt/penstock/authorities
RUN --mount=type=bind,from=tools,target=/tools \
    --mount=type=bind,source=scripts/images,target=/src/images \
    --mount=type=bind,from=service-wheels,source=/wheels,target=/src/wheels \
    /src/images/install wheels /src/wheels \
 && ln -s "/venv/bin/${SERVICE}" /venv/bin/service
LABEL org.opencontainers.image.title=penstock-${SERVICE} \
      org.opencontainers.image.description="Penstock: ${SERVICE}"
USER 10001:10001
# ECS mounts an empty folder there and gives it the rights that the image's own has: by default
# root's alone.
VOLUME /tmp
# Of whichever command runs: it asks the port that it finds listening.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-m", "penstock.runtime.healthy"]
# An image with more than one command runs the one of its own name unless it is told another.
CMD ["service"]

# ---- programs under the SageMaker container contract

FROM bare AS algorithm
RUN --mount=type=cache,target=/cache/uv \
    --mount=type=bind,from=tools,target=/tools \
    --mount=type=bind,source=scripts/images,target=/src/images \
    --mount=type=bind,source=requirements/algorithms.txt,target=/src/lock.txt \
    /src/images/install lock /src/lock.txt
RUN --mount=type=bind,from=tools,target=/tools \
    --mount=type=bind,source=scripts/images,target=/src/images \
    --mount=type=bind,from=algorithm-wheels,source=/wheels,target=/src/wheels \
    /src/images/install wheels /src/wheels
ARG ALGORITHM=xgboost
LABEL org.opencontainers.image.title=penstock-algorithm-${ALGORITHM} \
      org.opencontainers.image.description="Penstock: ${ALGORITHM}, to train and to serve under SageMaker"
ENV PENSTOCK_ALGORITHM=${ALGORITHM} SAGEMAKER_BIND_HOST=0.0.0.0 OMP_WAIT_POLICY=PASSIVE
# SageMaker's documentation asks for root, whose /opt/ml it mounts: publish with RUN_AS=0:0.
ARG RUN_AS=10001:10001
USER ${RUN_AS}
# Of `serve`; SageMaker itself asks /ping, and a training has no server to ask.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/ping', timeout=3)"]
# SageMaker adds the command: `train` or `serve`.
ENTRYPOINT ["penstock-algorithm"]
CMD ["serve"]

# ---- the schema of Aurora: a task that ends

FROM bare AS migrations
RUN --mount=type=cache,target=/cache/uv \
    --mount=type=bind,from=tools,target=/tools \
    --mount=type=bind,source=scripts/images,target=/src/images \
    --mount=type=bind,source=requirements/migrations.txt,target=/src/lock.txt \
    /src/images/install lock /src/lock.txt
RUN --mount=type=bind,from=tools,target=/tools \
    --mount=type=bind,source=scripts/images,target=/src/images \
    --mount=type=bind,from=migrations-wheels,source=/wheels,target=/src/wheels \
    /src/images/install wheels /src/wheels
COPY infra/alembic.ini /opt/penstock/infra/alembic.ini
COPY infra/migrations /opt/penstock/infra/migrations
COPY infra/authorities /opt/penstock/authorities
LABEL org.opencontainers.image.title=penstock-migrations \
      org.opencontainers.image.description="Penstock: brings Aurora to the newest schema, and ends"
USER 10001:10001
HEALTHCHECK NONE
CMD ["alembic", "-c", "/opt/penstock/infra/alembic.ini", "upgrade", "head"]

# ---- the embedded stack: what stands in for AWS, Aurora and Snowflake, and the demonstration

FROM base AS local
RUN --mount=type=cache,target=/cache/uv \
    --mount=type=bind,from=tools,target=/tools \
    --mount=type=bind,source=scripts/images,target=/src/images \
    --mount=type=bind,source=requirements/local.txt,target=/src/lock.txt \
    /src/images/install lock /src/lock.txt
RUN --mount=type=bind,from=tools,target=/tools \
    --mount=type=bind,source=scripts/images,target=/src/images \
    --mount=type=bind,from=local-wheels,source=/wheels,target=/src/wheels \
    /src/images/install wheels /src/wheels
COPY infra/alembic.ini /opt/penstock/infra/alembic.ini
COPY infra/migrations /opt/penstock/infra/migrations
# PostgreSQL asks who it runs as, and a volume takes over whose the folder is that it covers.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin penstock \
 && install --directory --owner 10001 --group 10001 /state
ENV PENSTOCK_MIGRATIONS=/opt/penstock/infra/alembic.ini
LABEL org.opencontainers.image.title=penstock-local \
      org.opencontainers.image.description="Penstock: stand-ins of AWS, Aurora and Snowflake for one machine"
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-m", "penstock.runtime.healthy", "/"]
CMD ["penstock-local", "--help"]
