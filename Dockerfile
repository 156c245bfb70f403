# Groundling as an image: everything it needs is inside, everything it writes is in /data.
#   docker build --tag groundling:local .
# docker-compose.yml runs it; docs/operation.md says how. No secret is ever a part of the build.

FROM python:3.11-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake g++ make \
    && rm -rf /var/lib/apt/lists/*
# Without the builder's own instructions, so that the image runs on other processors too (AVX2 on x86-64).
ARG CMAKE_ARGS="-DLLAVA_BUILD=OFF -DGGML_NATIVE=OFF"
# Where torch has a build for processors alone; empty takes what the package registry has.
ARG TORCH_INDEX="https://download.pytorch.org/whl/cpu"
ENV CMAKE_ARGS=${CMAKE_ARGS} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/groundling
ENV PATH=/opt/groundling/bin:${PATH}
WORKDIR /src
# What changes seldom comes first: a change of the program compiles and downloads nothing again.
COPY constraints.txt ./
RUN pip install --constraint constraints.txt ${TORCH_INDEX:+--extra-index-url ${TORCH_INDEX}} torch
RUN pip install --constraint constraints.txt --no-binary llama-cpp-python llama-cpp-python
COPY pyproject.toml README.md LICENSE ./
COPY adapters adapters
COPY bot bot
COPY knowledge knowledge
COPY models models
RUN pip install --constraint constraints.txt . \
    && python -m models.engine.trial

FROM python:3.11-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 groundling \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin groundling \
    && install --directory --mode 0700 --owner groundling --group groundling /data
COPY --from=build /opt/groundling /opt/groundling
ENV PATH=/opt/groundling/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    HOME=/tmp
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
STOPSIGNAL SIGTERM
# Lives is enough: a platform that is away is no reason to start anew (/readyz tells that one).
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8466/healthz', timeout=4)"]
ENTRYPOINT ["groundling"]
CMD ["serve", "--config", "/etc/groundling/groundling.toml", "--data", "/data"]
