# syncd with its model inside: it embeds and syncs without any network.
#
#     docker build --build-arg PYTORCH_INDEX=<PyTorch's CPU index> -t syncd .
#
# docs/container.md says how to run it.

# --- What has to be installed -----------------------------------------------------------------------------------------
# A stage of its own: the layers below stay in the cache until the list itself changes, whatever else pyproject.toml says.
FROM python:3.11-slim AS requirements
COPY pyproject.toml /
RUN ["python", "-c", "import tomllib; project = tomllib.load(open('/pyproject.toml', 'rb'))['project']; \
needed = project['dependencies'] + project['optional-dependencies']['minilm']; \
torch = [name for name in needed if name.startswith('torch')]; \
open('/torch.txt', 'w').write('\\n'.join(torch)); \
open('/requirements.txt', 'w').write('\\n'.join(needed))"]

# --- The environment --------------------------------------------------------------------------------------------------
FROM python:3.11-slim AS build

# Where the CPU build of torch is found, given as an extra package index. On Linux the default package is often built for
# CUDA, several gigabytes that nothing here uses. PyTorch's installation page names its CPU index ("Compute Platform: CPU").
ARG PYTORCH_INDEX=""
# 1 accepts a CUDA build all the same, for a host with a GPU.
ARG ALLOW_CUDA=0

RUN python -m venv --without-pip /opt/syncd

# Without its dependencies at first, so that a CUDA build is noticed before gigabytes of libraries follow it.
COPY --from=requirements /torch.txt /build/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/syncd install --no-deps ${PYTORCH_INDEX:+--extra-index-url "$PYTORCH_INDEX"} -r /build/torch.txt \
    && cuda="$(/opt/syncd/bin/python -c "import runpy, sysconfig; \
print(runpy.run_path(sysconfig.get_path('platlib') + '/torch/version.py')['cuda'])")" \
    && if [ "$cuda" != None ] && [ "$ALLOW_CUDA" != 1 ]; then \
        echo "torch came in its build for CUDA $cuda, which makes the image gigabytes larger." >&2; \
        echo "Give the address of PyTorch's CPU index, which its installation page names:" >&2; \
        echo "    --build-arg PYTORCH_INDEX=...      or, for a host with a GPU: --build-arg ALLOW_CUDA=1" >&2; \
        exit 1; \
    fi

# The headers and tests of two libraries, some 200 MB, are of use to nobody here.
COPY --from=requirements /requirements.txt /build/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/syncd install -r /build/requirements.txt \
    && rm -rf /opt/syncd/lib/*/site-packages/torch/include \
        /opt/syncd/lib/*/site-packages/torch/test \
        /opt/syncd/lib/*/site-packages/pandas/tests

COPY pyproject.toml README.md LICENSE /build/source/
COPY syncd /build/source/syncd
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/syncd install --no-deps /build/source

# --- What is shipped --------------------------------------------------------------------------------------------------
FROM python:3.11-slim

LABEL org.opencontainers.image.title="syncd" \
      org.opencontainers.image.description="Keeps vector knowledge bases in step with SQL tables" \
      org.opencontainers.image.licenses="Apache-2.0"

# The user has a name because some libraries ask for it, and /data is its own so that a new volume is as well.
RUN groupadd --gid 10001 syncd \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin syncd \
    && install --directory --owner 10001 --group 10001 --mode 0750 /data \
    && install --directory /etc/syncd

COPY --from=build /opt/syncd /opt/syncd

# Only /data and /tmp are ever written to: what is worth keeping, such as a downloaded or converted model, goes to /data.
ENV PATH=/opt/syncd/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    HF_HOME=/data/huggingface \
    XDG_CACHE_HOME=/data/cache \
    SYNCD_CONFIG=/etc/syncd

USER 10001:10001
# Paths such as data/syncd.db in a configuration mean /data/syncd.db.
WORKDIR /
VOLUME /data
EXPOSE 8000

HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-IS", "-c", "import http.client, sys; \
connection = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); \
connection.request('GET', '/readyz'); \
sys.exit(connection.getresponse().status != 200)"]

ENTRYPOINT ["syncd"]
CMD ["run"]
