# The image of API and workers: `windlass serve`, `windlass worker`. Any image with Node 24 and npm can be the base.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS modules
# Image tarballs may be compressed by xz, which Node cannot unpack.
RUN command -v xz >/dev/null || { apt-get update && apt-get install -y --no-install-recommends xz-utils && rm -rf /var/lib/apt/lists/*; }
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Half of all files of the modules are read by editors and debuggers only.
RUN npm install --omit=dev --no-save --no-audit --no-fund --ignore-scripts --cache /tmp/npm && rm -rf /tmp/npm \
  && find node_modules -type f '(' -name '*.map' -o -name '*.d.*ts' -o -name '*.md' -o -name '*.markdown' ')' -exec rm '{}' +

# Goes on from there: copying thousands of files into another stage takes longer than all the rest.
FROM modules
# Code is compiled here once, so that no process has to. Node keeps it for each user apart, and reads it where it may
# not write: the processes cannot change what they run.
ENV NODE_ENV=production WINDLASS_DATA_DIR=/var/lib/windlass WINDLASS_HTTP=0.0.0.0:8080 WINDLASS_HTTPS=off WINDLASS_SETUP=off NODE_COMPILE_CACHE=/var/cache/windlass
COPY . .
RUN ln -s /app/src/setup/enter-image.mjs /usr/local/bin/windlass && mkdir -p /var/lib/windlass /var/cache/windlass \
  && chown 1000:1000 /var/cache/windlass && windlass compile && chown -R 0:0 /var/cache/windlass
VOLUME /var/lib/windlass
EXPOSE 8080
# It starts as root only to read which group owns the engine's socket; then it is user 1000 with that group.
ENTRYPOINT ["windlass"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "/app/src/setup/check-health.mjs"]
