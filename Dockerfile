# One image for all our processes, e.g. `docker run witiop-unmanaged run webhook`. See docker-compose.yml.
# In production name the base by its digest: PYTHON_IMAGE=python:3.13-slim@sha256:... (docs/containers.md).
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE} AS build
WORKDIR /source
# Without pip: the image installs nothing.
RUN python -m venv --without-pip /opt/witiop
COPY requirements/build.txt requirements/run.txt requirements/
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt \
    && pip --python /opt/witiop/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY domain domain
COPY infra infra
COPY webhook webhook
COPY console console
COPY consumers consumers
COPY witiop witiop
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/witiop/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl
# Tests of other packages, and descriptions of the services of Amazon that we do not call: a fifth of the size.
RUN cd /opt/witiop/lib/python3.*/site-packages \
    && find . -depth -type d -name tests -exec rm -r {} + \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name sesv2 ! -name signin ! -name sso ! -name sso-oidc ! -name sts -exec rm -r {} +

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="WitiOp Unmanaged" \
      org.opencontainers.image.description="All processes and the command line"
RUN groupadd --gid 10001 witiop && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin witiop
COPY --from=build /opt/witiop /opt/witiop
ENV PATH=/opt/witiop/bin:$PATH PYTHONDONTWRITEBYTECODE=1
# Writes to /tmp only: run it with --read-only --tmpfs /tmp.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080 8081 9464
ENTRYPOINT ["witiop"]
CMD ["--help"]
