# syntax=docker/dockerfile:1

# Rollcall's server. Node runs the TypeScript as it is (docs/decisions/0001-no-build-step.md), so nothing is compiled here: the first
# stage installs what package-lock.json names and generates the database client, the second takes over what running needs.
FROM node:24-bookworm-slim AS installed
WORKDIR /rollcall
COPY package.json package-lock.json prisma.config.ts ./
COPY prisma ./prisma
# With the development dependencies, because the script `postinstall` generates src/store/generated with one of them.
RUN npm ci --no-audit --no-fund
# What only checks, tests and the demo need goes again; the optional packages too, which are the embedded PostgreSQL.
RUN npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
# NODE_OPTIONS and what glibc's malloc reads as in bin/memory.json, so that the command need not start a second process with them.
ENV NODE_ENV=production \
    NODE_OPTIONS="--max-semi-space-size=8 --max-old-space-size=512" \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    ROLLCALL_HOST=0.0.0.0 \
    ROLLCALL_DATA=/var/lib/rollcall
WORKDIR /rollcall
COPY package.json LICENSE ./
COPY bin ./bin
COPY connectors ./connectors
COPY jobs ./jobs
COPY prisma/migrations ./prisma/migrations
COPY src ./src
COPY --from=installed /rollcall/src/store/generated ./src/store/generated
COPY --from=installed /rollcall/node_modules ./node_modules
# The only folder that is written to, and only for secret.key where ROLLCALL_SECRET_KEY is unset.
RUN mkdir /var/lib/rollcall && chown node:node /var/lib/rollcall
VOLUME /var/lib/rollcall
USER node
EXPOSE 7655
# Whether the process lives. A worker has no API: switch this off for it, as compose.yaml does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.ROLLCALL_PORT || 7655}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# DATABASE_URL has to be given: there is no embedded PostgreSQL in this image.
ENTRYPOINT ["node", "/rollcall/bin/rollcall.js"]
CMD ["start"]
