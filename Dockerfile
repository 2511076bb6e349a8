# The image of API and workers: `windlass serve`, `windlass worker`. Any image with Node 24 and npm can be the base.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --omit=dev --no-save --no-audit --no-fund --ignore-scripts

FROM ${NODE_IMAGE}
# Image tarballs may be compressed by xz, which Node cannot unpack.
RUN command -v xz >/dev/null || { apt-get update && apt-get install -y --no-install-recommends xz-utils && rm -rf /var/lib/apt/lists/*; }
WORKDIR /app
COPY --from=modules /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
COPY workers ./workers
COPY openapi ./openapi
RUN ln -s /app/src/setup/enter-image.mjs /usr/local/bin/windlass && mkdir -p /var/lib/windlass
ENV NODE_ENV=production WINDLASS_DATA_DIR=/var/lib/windlass WINDLASS_HTTP=0.0.0.0:8080 WINDLASS_SETUP=off
# Compiled here once, so that no process has to. Node keeps the code for each user apart, and reads it where it may not
# write: the processes cannot change what they run.
ENV NODE_COMPILE_CACHE=/var/cache/windlass
RUN mkdir -p /var/cache/windlass && chown 1000:1000 /var/cache/windlass
USER 1000
RUN node src/main.ts compile
USER 0
RUN chown -R 0:0 /var/cache/windlass
VOLUME /var/lib/windlass
EXPOSE 8080
# It starts as root only to read which group owns the engine's socket; then it is user 1000 with that group.
ENTRYPOINT ["windlass"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "/app/src/setup/check-health.mjs"]
