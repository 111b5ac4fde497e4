# syntax=docker/dockerfile:1

# The builder's and the runtime's Debian must be the same release: the binary links to its glibc.
ARG RUST_VERSION=1.95.0
ARG DEBIAN=bookworm

FROM rust:${RUST_VERSION}-slim-${DEBIAN} AS build
WORKDIR /build

# Dependencies alone, so that this layer is built again only when the lock file changes.
# No cache mounts: Railway takes them only with ids of its own.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked --bin x402-facilitator \
 && rm -r src

COPY src src
# What the binary embeds.
COPY config/networks.toml config/limits.toml config/
COPY migrations migrations
COPY contracts/compiled.json contracts/reader.hex contracts/
# Files keep the time at which they were checked out, which may be before the layer above was built.
RUN touch src/main.rs src/lib.rs \
 && cargo build --release --locked --bin x402-facilitator \
 && install -D target/release/x402-facilitator /out/usr/local/bin/x402-facilitator \
 && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt

FROM debian:${DEBIAN}-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="x402-facilitator" \
      org.opencontainers.image.description="Verifies and settles x402 payments" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=build /out /

# The embedded database and the throwaway key, for testnets; mount a volume here to keep them. There is no VOLUME instruction,
# because Railway refuses images that have one. Nothing else is written: the root may be read-only.
RUN install -d -m 0700 -o 10001 -g 10001 /data
ENV DATA_DIR=/data
WORKDIR /data
USER 10001:10001

EXPOSE 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["/usr/local/bin/x402-facilitator", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/x402-facilitator"]
CMD ["serve"]
