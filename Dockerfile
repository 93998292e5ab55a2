# One image for both programs: docker build --tag REGISTRY/authz:0.1.0 .
# What is in it is said to the last byte by image/*.txt; pin the base for a release, too:
# --build-arg PYTHON=python:3.11-slim-bookworm@sha256:…

ARG PYTHON=python:3.11-slim-bookworm

# Everything is put together here, and only what is needed goes on.
FROM ${PYTHON} AS build
WORKDIR /src
# The time of all files in it; a build of the same sources is the same.
ENV SOURCE_DATE_EPOCH=1767225600 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv --without-pip /opt/authz && python -m venv /opt/tools
COPY image/ image/
RUN /opt/tools/bin/pip install --only-binary :all: --no-deps --require-hashes --requirement image/tools.txt
RUN /opt/tools/bin/pip --python /opt/authz/bin/python install --only-binary :all: --no-deps --require-hashes --requirement image/authz.txt
COPY pyproject.toml README.md LICENSE ./
COPY authz/ authz/
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheels .
RUN /opt/tools/bin/pip --python /opt/authz/bin/python install --no-deps --no-index /opt/wheels/*.whl
RUN /opt/tools/bin/pip --python /opt/authz/bin/python check
# Nobody writes bytecode later: the file system is to read only.
RUN /opt/authz/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/authz/lib
RUN /opt/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file /opt/authz/sbom.cdx.json /opt/authz/bin/python

FROM ${PYTHON}
COPY --from=build /opt/authz /opt/authz
ENV PATH=/opt/authz/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 9191
HEALTHCHECK --start-period=30s CMD ["authz", "health"]
ENTRYPOINT ["authz"]
CMD ["serve", "--config", "/etc/authz/config/authz.yaml"]
