# syntax=docker/dockerfile:1.7
# nastk on a CPU. Not built here: there was no Docker daemon; tests/test_docker.py holds it to the files that it names.
#
#   docker build --tag nastk .                                  # --build-arg EXTRAS=[huggingface,ray] for extras
#   docker run --rm --volume ./photos:/photos:ro --volume ./runs:/work/runs nastk images=/photos max_latency_ms=3
#
# ./runs must be writable for the user 1000, or give --user. Latencies are those of the machine: leave it alone meanwhile.
# The base is pinned by version and not by digest: no registry could be reached from here to look it up (2026-11-27).
# `docker buildx imagetools inspect python:3.11.13-slim-bookworm` tells it; @sha256:... behind both names pins it.
FROM python:3.11.13-slim-bookworm AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY nastk nastk
COPY conf conf
COPY search_spaces search_spaces
RUN --mount=type=cache,target=/root/.cache/pip pip wheel --no-deps --wheel-dir /wheel .

FROM python:3.11.13-slim-bookworm
ARG EXTRAS=""
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# Torch first: it is the largest layer, and changes least.
RUN --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint /constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu torch==2.13.0+cpu
RUN --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint /constraints.txt "$(echo /wheel/nastk-*.whl)${EXTRAS}"
RUN useradd --create-home --uid 1000 nastk && mkdir --parents /work/runs && chown --recursive nastk /work
USER nastk
WORKDIR /work
ENTRYPOINT ["nastk"]
CMD ["help"]
