# Two stages: the first may compile, the second holds Python, Handrail, its Temporal and its Valkey, and nothing else.
FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/handrail
# The dependencies come first: they change less often than the code. Each file is checked against its hash.
COPY requirements-runtime.lock /src/
RUN /opt/handrail/bin/pip install --require-hashes -r /src/requirements-runtime.lock
COPY pyproject.toml README.md LICENSE /src/
COPY bot /src/bot
COPY adapters /src/adapters
RUN /opt/handrail/bin/pip install --no-deps /src


FROM python:3.11-slim-bookworm

# The user has a name: Temporal does not start for one that /etc/passwd does not list.
# Programs of `command` steps are not in this image, nor the extras `kubernetes` and `ansible`: add what your playbooks call.
RUN useradd --system --uid 10001 --home-dir /var/lib/handrail --shell /usr/sbin/nologin handrail \
    && install -d -o handrail -g handrail -m 0700 /var/lib/handrail /var/lib/handrail/data
COPY --from=build /opt/handrail /opt/handrail
COPY playbooks /etc/handrail/playbooks
COPY prompts /etc/handrail/prompts

ENV PATH=/opt/handrail/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HANDRAIL_HOST=0.0.0.0 \
    HANDRAIL_PORT=8700 \
    HANDRAIL_DATA_DIR=/var/lib/handrail/data \
    HANDRAIL_SERVICES=/etc/handrail/services.yaml \
    HANDRAIL_PLAYBOOKS=/etc/handrail/playbooks \
    HANDRAIL_PROMPTS=/etc/handrail/prompts

USER 10001
WORKDIR /var/lib/handrail
VOLUME /var/lib/handrail/data
EXPOSE 8700
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8700/healthz', timeout=3)"]
CMD ["handrail", "run"]
