/** Which way the arrows may point. Every rule says why, because the comment is what a failing build prints. */
const useCase = '^src/(?!domain/|store/|api/|cli/|main[.]ts|config[.]ts)[^/]+/';

export default {
  options: {
    parser: 'swc', // dependency-cruiser 17 cannot use TypeScript 7; without a parser it reads no file and reports success
    tsPreCompilationDeps: true, // type-only imports count as arrows too
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.js', '.mjs', '.json'], exportsFields: ['exports'], conditionNames: ['node', 'import', 'default', 'types'] },
  },
  forbidden: [
    { name: 'no-cycles', severity: 'error', comment: 'Two files that need each other are one file, or miss a third.',
      from: { pathNot: '^src/store/generated/' }, to: { circular: true } },
    { name: 'domain-is-pure', severity: 'error', comment: 'src/domain decides; it may use itself, zod, CEL, cron expressions, edit distance and hashing, nothing that does I/O.',
      from: { path: '^src/domain/' }, to: { pathNot: '^src/domain/|node_modules/(zod|@marcbachmann/cel-js|cron-parser|fastest-levenshtein)/|^(node:)?crypto$' } },
    { name: 'contract-knows-only-the-domain', severity: 'error', comment: 'The contract is written in the words of the domain.',
      from: { path: '^connectors/contract[.]ts$' }, to: { pathNot: '^src/domain/|node_modules/zod/' } },
    { name: 'connectors-are-islands', severity: 'error', comment: 'A connector uses the contract, the shared session and the domain. Not another connector, the database or a job.',
      from: { path: '^connectors/([^/]+)/' }, to: { path: '^(src|connectors|jobs|web|simulators)/', pathNot: '^connectors/$1/|^connectors/[^/]+[.]ts$|^src/domain/' } },
    { name: 'shared-connector-code-knows-no-provider', severity: 'error', comment: 'Only the registry names providers.',
      from: { path: '^connectors/[^/]+[.]ts$', pathNot: '^connectors/registry[.]ts$' }, to: { path: '^(src|jobs|web|simulators)/|^connectors/(?!conformance/)[^/]+/|^connectors/registry', pathNot: '^src/domain/' } },
    { name: 'store-knows-only-the-domain', severity: 'error', comment: 'The store turns rows into domain values and back; it has no opinion about what comes next.',
      from: { path: '^src/store/' }, to: { path: '^(src|connectors|jobs|web|simulators)/', pathNot: '^src/(store|domain)/' } },
    { name: 'use-cases-look-down', severity: 'error', comment: 'A use case orders the steps; API, CLI and jobs call it, never the other way.',
      from: { path: useCase }, to: { path: '^(src/(api|cli|main)|jobs|web|simulators)|^connectors/[^/]+/|^connectors/registry' } },
    { name: 'edges-do-not-meet', severity: 'error', comment: 'api, cli and jobs are peers; they meet in src/main.ts.',
      from: { path: '^(src/api|src/cli|jobs)/' }, to: { path: '^(src/api|src/cli|jobs|src/store)/', pathNot: '^$1/' } },
    { name: 'prisma-stays-in-store', severity: 'error', comment: 'One place turns rows into domain values.',
      from: { pathNot: '^src/store/|^prisma|^(test|bench)/' }, to: { path: 'node_modules/(@prisma/|pg/|pg-copy-streams/)|^src/store/generated' } },
    { name: 'yaml-stays-in-configuration', severity: 'error', comment: 'A configuration file is read and written in one place; behind it there are values.',
      from: { pathNot: '^src/configuration/' }, to: { path: 'node_modules/yaml/' } },
    { name: 'bullmq-stays-in-jobs', severity: 'error', comment: 'A use case is handed the function that enqueues.',
      from: { pathNot: '^jobs/|^test/' }, to: { path: 'node_modules/bullmq/' } },
    { name: 'only-main-wires', severity: 'error', comment: 'The list of providers is for the composition root.',
      from: { pathNot: '^src/main[.]ts$|^(test|bench)/' }, to: { path: '^connectors/registry[.]ts$' } },
    { name: 'nobody-imports-main', severity: 'error', comment: 'main.ts is where the arrows start.',
      from: { pathNot: '^test/' }, to: { path: '^src/main[.]ts$' } },
    { name: 'web-sees-the-api-only', severity: 'error', comment: 'The page knows what the API says about itself, and nothing behind it.',
      from: { path: '^web/' }, to: { path: '^(src|connectors|jobs|prisma|simulators)/' } },
    { name: 'no-test-code-in-product', severity: 'error', comment: 'Builders, suites and simulators are not shipped behaviour.',
      from: { path: '^(src|jobs|connectors|web)/', pathNot: '^connectors/conformance([.]ts$|/)|^src/cli/demo' }, to: { path: '^(test|bench|simulators)/|^connectors/conformance|node_modules/(vitest|nock|fast-check)/' } },
    { name: 'reachable-from-main', severity: 'error', comment: 'Nothing imports it: wire it or delete it.',
      from: { path: '^src/main[.]ts$' }, to: { path: '^(src|connectors|jobs)/', pathNot: '^connectors/conformance|^src/cli/|/generated/', reachable: false } },
  ],
};
