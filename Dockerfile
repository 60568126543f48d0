# One image for all our processes, e.g. `docker run witiop-unmanaged run webhook`. See docker-compose.yml.
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/witiop
COPY requirements/build.txt requirements/run.txt requirements/
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt \
    && /opt/witiop/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY domain domain
COPY infra infra
COPY webhook webhook
COPY console console
COPY consumers consumers
COPY witiop witiop
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/witiop/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim
RUN groupadd --gid 10001 witiop && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin witiop
COPY --from=build /opt/witiop /opt/witiop
ENV PATH=/opt/witiop/bin:$PATH PYTHONDONTWRITEBYTECODE=1
# Writes to /tmp only: run it with --read-only --tmpfs /tmp.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080 8081 9464
ENTRYPOINT ["witiop"]
CMD ["--help"]
