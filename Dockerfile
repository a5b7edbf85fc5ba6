# Two stages: the first builds with Rust, the second is what runs and holds nothing but Debian's base, CA
# certificates, the binary and the dashboard's pages. tests/image.sh runs the same scripts without an engine.
ARG DEBIAN=bookworm

FROM rust:1.95-slim-${DEBIAN} AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    sh deploy/build.sh && mkdir out && cp target/release/openrouter-proxy out/ && cp -R static out/

FROM debian:${DEBIAN}-slim
COPY --from=build /build/out /tmp/out
COPY deploy/install.sh /tmp/install.sh
RUN sh /tmp/install.sh /tmp/out && rm -rf /tmp/out /tmp/install.sh

LABEL org.opencontainers.image.title="openrouter-proxy" \
      org.opencontainers.image.description="Stands between OpenAI-compatible clients and OpenRouter" \
      org.opencontainers.image.licenses="MIT"

# The database is openrouter_proxy.db in /data unless DATABASE_URL says otherwise; config.json and .env are read there
# too. The admin plane listens on every address of the container; publish its port on the host's loopback only.
ENV OPENROUTER_PROXY_DATA_DIR=/data \
    ADMIN_HOST=0.0.0.0 \
    ADMIN_STATIC_DIR=/usr/local/share/openrouter-proxy/static

USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=6s --start-period=20s --retries=3 \
    CMD ["/usr/local/bin/openrouter-proxy", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/openrouter-proxy"]
CMD ["serve"]
