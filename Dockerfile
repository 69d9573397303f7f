# One image for every container: `mewayz serve-module NAME`, `mewayz serve-router`, `mewayz provision`.
FROM python:3.12-slim
WORKDIR /mewayz
COPY requirements.lock justw justfile ./
RUN ./justw --version
COPY catalogue catalogue
COPY schema schema
COPY mewayz mewayz
COPY router router
COPY shared shared
COPY subgraphs subgraphs
USER 1000:1000
ENTRYPOINT ["/mewayz/.venv/bin/mewayz"]
